"""An adaptive neuron, as `your_own_neuron.md` tells it."""

from brian2 import ms

from models.neurons import Neuron

EQUATIONS = """
dv/dt = drive - v / tau_m - w : 1
dw/dt = -w / tau_w            : Hz
drive : Hz (constant)
v_th  : 1  (constant)
"""


def adaptive(tau_m=20 * ms, tau_w=100 * ms, b=2.0):
    """A leaky neuron that every spike tires by a current b / tau_w, which fades with tau_w."""
    return Neuron(
        equations=EQUATIONS,
        threshold="v >= v_th",
        reset="v -= v_th; w += b / tau_w",
        initial={"v_th": "1", "v": "0", "w": "0*Hz"},
        parameters={"tau_m": tau_m, "tau_w": tau_w, "b": b},
        source="Benda and Herz, Neural Computation 2003",
    )
