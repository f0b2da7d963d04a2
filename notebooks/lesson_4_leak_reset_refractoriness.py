"""Lesson 4 of 6: leak, reset, refractoriness."""

import marimo

__generated_with = "0.25.2"
app = marimo.App(width="medium", app_title="4. Leak, reset, refractoriness")

with app.setup:
    import marimo as mo
    import numpy as np
    import pandas as pd
    from brian2 import Hz, ms, second

    from conversion.brian import measure_rates
    from conversion.normalize import normalize
    from conversion.settings import Simulation
    from conversion.simulate import simulate
    from models.datasets import load_dataset
    from models.encoders import ConstantCurrent, Poisson
    from models.neurons import integrate_and_fire, leaky_integrate_and_fire
    from models.onnx_io import activations, load, predict
    from models.paths import WEIGHTS
    from studies.draw import PALETTE, draw_accuracy_over_time, drawing
    from studies.measure import measure_answers


@app.cell
def _():
    mo.md(r"""
    # 4. Leak, reset, refractoriness

    *20 minutes, after lesson 3.*

    **You will know** what each of three properties of real neurons does to the f-I curve, in closed form, and what that
    does to a network of them.
    """)
    return


@app.cell
def _():
    mo.md(r"""
    ## A bucket with a hole

    The potential of a **leaky** neuron falls back to 0 with the time constant $\tau$, and for the time $t_\text{ref}$
    after a spike it hears nothing:

    $$\frac{dv}{dt} = I - \frac{v}{\tau}.$$

    A constant current $I$ drives $v$ towards $\tau I$. If that is below the threshold, the neuron is silent for ever: the
    smallest current that is heard is the **rheobase** $I_0 = \theta / \tau$. Above it, the time from 0 to $\theta$ gives

    $$r = \frac{1}{t_\text{ref} + \tau \ln \dfrac{\tau I}{\tau I - \theta}} .$$
    """)
    return


@app.cell
def _():
    tau = mo.ui.slider(2, 50, 1, value=20, label=r"leak $\tau$ (ms)", show_value=True)
    pause = mo.ui.slider(0, 10, 1, value=0, label=r"$t_\text{ref}$ (ms)", show_value=True)
    mo.hstack([tau, pause], justify="start")
    return pause, tau


@app.cell
def _(pause, tau):
    currents = np.linspace(0, 400, 41)
    neuron = leaky_integrate_and_fire(tau.value * ms, reset="zero", refractory=pause.value * ms)
    rates = measure_rates(neuron, "drive", currents, dt=0.1 * ms, window=1 * second)
    _tau, _pause = tau.value * 1e-3, pause.value * 1e-3
    _above = currents > 1 / _tau + 1e-9
    predicted = np.zeros(len(currents))
    _interval = _pause + _tau * np.log(_tau * currents[_above] / (_tau * currents[_above] - 1))
    predicted[_above] = 1 / _interval
    with drawing(6, 3.2) as curve:
        _axes = curve.subplots()
        _axes.plot(currents, currents, color="0.7", label="without leak and pause: a ReLU")
        _axes.plot(currents, predicted, "k--", label="formula")
        _axes.plot(currents, rates, "o", color=PALETTE[0], markersize=5, label="measured")
        _axes.axvline(1 / _tau, color="black", linewidth=0.8, linestyle=":", label=rf"rheobase, {1 / _tau:.0f}")
        _axes.set(xlabel="current $I$ (per second)", ylabel="firing rate (Hz)", ylim=(0, 400))
        _axes.legend(frameon=False, fontsize=9)
    curve
    return predicted, rates


@app.cell
def _():
    mo.md(r"""
    ## What a spike leaves behind

    A **reset to zero** throws away what lies above the threshold. For an input $x$ per step that is the same in every
    step, the neuron needs $\lceil \theta / x \rceil$ steps for a spike, whatever is left over:

    $$r_\text{zero} = \frac{1}{\lceil \theta / x \rceil} \quad\text{in the place of}\quad r_\text{subtract} = \frac{x}{\theta}.$$

    **Predict**: which inputs lose most?
    """)
    return


@app.cell
def _():
    inputs = np.linspace(0.02, 1, 50)
    counted = {}
    for _reset in ("subtract", "zero"):
        _neuron = integrate_and_fire(reset=_reset)
        counted[_reset] = measure_rates(_neuron, "drive", inputs * 1000, dt=1 * ms, window=2 * second) / 1000
    with drawing(6, 3) as resets:
        _axes = resets.subplots()
        _fine = np.linspace(0.02, 1, 2000)
        _axes.plot(_fine, 1 / np.ceil(1 / _fine - 1e-9), "k--", linewidth=1, label=r"$1 / \lceil \theta / x \rceil$")
        _axes.plot(inputs, counted["subtract"], "s", color="0.6", markersize=4, label="subtract, measured")
        _axes.plot(inputs, counted["zero"], "o", color=PALETTE[0], markersize=4, label="to zero, measured")
        _axes.set(xlabel="input $x$ per step", ylabel="spikes per step")
        _axes.legend(frameon=False)
    resets
    return counted, inputs


@app.cell
def _():
    mo.md(r"""
    ## Small activations fall silent

    In a network an activation $a$ is the current $a \cdot r_\text{max}$, so that a leak silences all activations below

    $$a_0 = \frac{\theta}{\tau\, r_\text{max}} .$$

    How many are there? Counting them in the ANN predicts how many neurons never spike. A constant current as input keeps
    chance away.
    """)
    return


@app.cell
def _():
    graph = load(WEIGHTS / "mnist_mlp.onnx")
    digits = load_dataset("digits")
    images, labels, calibration = digits.x[:50], digits.y[:50], digits.x[-500:]
    normalised, ann = normalize(graph, calibration, "data"), predict(graph, images)
    return ann, images, labels, normalised


@app.cell
def _(images, normalised, tau):
    leaky = leaky_integrate_and_fire(tau.value * ms)
    _simulation = Simulation(neuron=leaky, encoder=ConstantCurrent(1000 * Hz), duration=100 * ms)
    _recording = simulate(normalised, images, _simulation)
    _wanted = activations(normalised, images, ["fc1"])["fc1"]
    silent = {
        "predicted": (_wanted <= 1 / tau.value).mean(),
        "measured": (_recording.spike_counts["fc1"] == 0).mean(),
        "without a leak": (_wanted <= 0).mean(),
    }
    mo.vstack(
        [
            mo.md(
                rf"At $\tau$ = {tau.value} ms the leak silences activations below {1 / tau.value:.3f}. In the first layer:"
            ),
            mo.plain(
                pd.DataFrame({"share of neurons that never spike": {n: f"{share:.1%}" for n, share in silent.items()}})
            ),
        ]
    )
    return (silent,)


@app.cell
def _():
    mo.md(r"""
    ## A network of leaky neurons

    What is lost in one layer is missing in the next. **Choose a leak that breaks the network, then mend it by the
    threshold alone.**
    """)
    return


@app.cell
def _():
    v_th = mo.ui.slider(0.1, 2, 0.1, value=1, label=r"threshold $\theta$", show_value=True)
    reset = mo.ui.dropdown(["subtract", "zero"], value="subtract", label="reset")
    leak = mo.ui.slider(2, 50, 1, value=5, label=r"leak $\tau$ (ms)", show_value=True)
    hold = mo.ui.slider(0, 10, 1, value=0, label=r"$t_\text{ref}$ (ms)", show_value=True)
    mo.hstack([leak, v_th, hold, reset], justify="start", wrap=True)
    return hold, leak, reset, v_th


@app.cell
def _(ann, hold, images, labels, leak, normalised, reset, v_th):
    def measure(name, neuron):
        simulation = Simulation(neuron=neuron, encoder=Poisson(1000 * Hz), duration=60 * ms, seed=1)
        return measure_answers(simulate(normalised, images, simulation), labels, ann).assign(neuron=name)

    _pause, _common = hold.value * ms, {"v_th": v_th.value, "reset": reset.value}
    table = pd.concat(
        [
            measure("no leak", integrate_and_fire()),
            measure("leaky, as chosen", leaky_integrate_and_fire(leak.value * ms, refractory=_pause, **_common)),
        ]
    )
    draw_accuracy_over_time(table, hue="neuron")
    return (table,)


@app.cell
def _():
    mo.md(r"""
    ## Exercises

    1. How large may the rates of a neuron be that pauses for 2 ms after a spike? What follows for $r_\text{max}$?
    2. At $\tau$ = 5 ms and $r_\text{max}$ = 1000 Hz, which activations are silent? And at 200 Hz?
    3. Which threshold mends $\tau$ = 5 ms above? Why not simply the smallest?
    4. In which layer does a reset to zero hurt most: where inputs per step are small, or where they are large?
    """)
    return


@app.cell
def _():
    mo.accordion(
        {
            "Solution 1": mo.md(
                r"Below $1 / t_\text{ref}$ = 500 Hz. So activation 1 should stand for less than that, say 200 Hz."
            ),
            "Solution 2": mo.md(
                r"Below $a_0 = 1 / (0.005 \cdot 1000) = 0.2$; at 200 Hz all up to 1, so that the network is silent. Rate and leak "
                "belong together."
            ),
            "Solution 3": mo.md(
                "0.4 does best here, with 96 %. A lower threshold lets smaller activations pass, but lets more of the large ones ask for "
                "more than a spike per step, and shot noise fire neurons that should be silent."
            ),
            "Solution 4": mo.md(
                r"Where they are large beside the threshold: $1 / \lceil \theta / x \rceil$ is wrong by up to a half for $x$ just "
                r"below $\theta$, and by little for small $x$."
            ),
        }
    )
    return


@app.cell
def _():
    mo.md(r"""
    ## Where this comes from

    * Gerstner et al., *Neuronal Dynamics*, equation 1.12 and section 1.3: the leaky neuron's rate and its rheobase.
    * Rueckauer et al., Frontiers in Neuroscience 2017, equations 3 to 5; Han et al., CVPR 2020: what a reset keeps.
    * Here: the studies leaks (`results/leaks`) and refractory (`results/refractory`).

    **Next**: 5. Codes, time and energy.
    """)
    return


if __name__ == "__main__":
    app.run()
