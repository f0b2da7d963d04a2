"""Networks as files that other simulators read, and theirs as ours: the Neuromorphic Intermediate Representation (NIR).

Pedersen et al., "Neuromorphic intermediate representation: a unified instruction set for interoperable brain-inspired
computing", Nature Communications 15, 2024. NIR says what a neuron is by an equation in continuous time, and leaves open
what a spike is in it. In ours, a spike of weight w adds w to v, and a bias b adds b f per second, where f is the rate
of the activation 1. Let a spike be a pulse of the area A, and v be measured from rest, in units of a spike of weight 1:

    IF       dv/dt = R I                                 R = 1 / A
    LIF      tau dv/dt = v_leak - v + R I                R = tau / A
    CubaLIF  tau_syn dI/dt = -I + w_in S, and as LIF     R = tau_mem / A, w_in = tau_syn / A, weights times A / tau_syn

each make v jump by w, or gain w in all. Simulators in steps make a spike the value 1 for a step: A = dt, the spike
"step", and what they compute is Euler's rule, v += w in the end. A spike that is a Dirac pulse has the area 1 s:
A = 1, the spike "dirac". A current b' brings R b' per second, for IF and LIF b' / A, so that a bias is b' = b f A. That
of a CubaLIF would have to come through the synapse, and ours does not: it is v_leak = tau_mem b f, which brings b f.

NIR says v > v_threshold, ours and most simulators v >= v_threshold. A spike passes all of NIR's layers at once and one
of ours in each step; as windows move along (`conversion.delays`), counts are the same. Within a step ours is: leak,
threshold, reset, then input, and that of others leak, input, threshold, reset. For IF both give the same spikes, for
LIF as if the threshold of the others was exp(dt / tau) of ours. Euler's leak 1 - dt / tau is not ours, exp(-dt / tau).
Where there are delays, a layer's own window opens by them later, and in NIR its biases come before its first spikes.
"""

from conversion.nir.files import load_nir, save_nir
from conversion.nir.reading import FromNIR, from_nir
from conversion.nir.writing import Spike, to_nir

__all__ = ["FromNIR", "Spike", "from_nir", "load_nir", "save_nir", "to_nir"]
