"""Lesson 5 of 6: codes, time and energy."""

import marimo

__generated_with = "0.25.2"
app = marimo.App(width="medium", app_title="5. Codes, time and energy")

with app.setup:
    import marimo as mo
    import numpy as np
    import pandas as pd
    from brian2 import Hz, ms

    from conversion.normalize import normalize
    from conversion.recording import Probe
    from conversion.settings import Simulation
    from conversion.simulate import simulate
    from models.datasets import load_dataset
    from models.encoders import Burst, ConstantCurrent, Phase, Poisson
    from models.neurons import integrate_and_fire, phase_coded
    from models.onnx_io import load, predict
    from models.paths import WEIGHTS
    from studies.draw import PALETTE, draw_accuracy_over_time, draw_energy_and_accuracy, drawing
    from studies.measure import ann_energy_nj, energies, measure_answers


@app.cell
def _():
    mo.md(r"""
    # 5. Codes, time and energy

    *20 minutes, after lesson 4.*

    **You will know** four ways to say a number in spikes, how many steps each needs for how much precision, and when a
    spiking network costs less than the ANN that it came from.
    """)
    return


@app.cell
def _():
    mo.md(r"""
    ## Four ways to say a pixel

    | code | a pixel $x$ becomes | error after $T$ steps |
    |:---|:---|:---|
    | **Poisson** | a spike in each step with probability $x$ | $\sqrt{x(1-x)/T}$, by chance |
    | **constant current** | no spikes: the current $x$ into the first layer | none at the input |
    | **phase** | its binary digits, one per step; a spike in step $k$ counts $2^{-k}$ | $2^{-K}$ after a period of $K$ steps |
    | **burst** | a chattering neuron's current; bursts of spikes | its own f-I curve |

    Choose a pixel's value.
    """)
    return


@app.cell
def _():
    pixel = mo.ui.slider(0, 1, 0.05, value=0.6, label="pixel $x$", show_value=True)
    pixel
    return (pixel,)


@app.cell
def _():
    graph = load(WEIGHTS / "mnist_mlp.onnx")
    digits = load_dataset("digits")
    images, labels, calibration = digits.x[:50], digits.y[:50], digits.x[-500:]
    normalised, ann = normalize(graph, calibration, "data"), predict(graph, images)
    codes = {
        "Poisson": (Poisson(1000 * Hz), integrate_and_fire()),
        "constant": (ConstantCurrent(1000 * Hz), integrate_and_fire()),
        "phase": (Phase(8), phase_coded(8)),
        "burst": (Burst(), integrate_and_fire()),
    }
    return ann, codes, graph, images, labels, normalised


@app.cell
def _(codes, normalised, pixel):
    _image = np.zeros((1, *normalised.input_shape), np.float32)
    _image[..., 14, 9:19] = pixel.value  # ten pixels alike
    with drawing(7, 3.4) as trains:
        _panels = trains.subplots(3, 1, sharex=True)
        for _axes, _name in zip(_panels, ("Poisson", "phase", "burst"), strict=True):
            _encoder, _neuron = codes[_name]
            _simulation = Simulation(
                neuron=_neuron, encoder=_encoder, duration=48 * ms, seed=1, probe=Probe(("input",))
            )
            _spikes = simulate(normalised, _image, _simulation).rasters["input"]
            _axes.plot(_spikes["time_ms"], _spikes["neuron"] - (14 * 28 + 9), "k|", markersize=5)
            _axes.set(ylim=(-1, 10), yticks=[], xlim=(0, 49))
            _axes.set_ylabel(_name, rotation=0, ha="right", va="center")
        for _k in range(0, 49, 8):
            _panels[1].axvline(_k + 0.5, color=PALETTE[0], linewidth=0.8)
        _panels[2].set_xlabel("time (ms)")
        trains.suptitle(f"ten pixels of the value {pixel.value:g}; blue lines: periods of the phase code", fontsize=10)
    trains
    return


@app.cell
def _():
    mo.md(r"""
    ## Precision costs time

    For an error of $\varepsilon$ a Poisson pixel needs $T = x (1 - x) / \varepsilon^2$ steps, a rate that is no chance
    $1 / \varepsilon$, and a phase code $\log_2 (1 / \varepsilon)$.
    """)
    return


@app.cell
def _():
    bits = mo.ui.slider(
        2, 10, 1, value=8, label=r"bits of precision, $\varepsilon = 2^{-\text{bits}}$", show_value=True
    )
    bits
    return (bits,)


@app.cell
def _(bits):
    _eps = 2.0**-bits.value
    steps = {"Poisson, x = 1/2": 0.25 / _eps**2, "regular rate": 1 / _eps, "phase": float(bits.value)}
    mo.plain(pd.DataFrame({"steps for this precision": {name: f"{value:,.0f}" for name, value in steps.items()}}))
    return (steps,)


@app.cell
def _():
    mo.md(r"""
    ## Which network answers first?

    The same trained network with each code. **Predict the order from the table above.** Mind that an answer needs less
    precision than a number: it is enough that the right class is ahead.
    """)
    return


@app.cell
def _(ann, codes, graph, images, labels, normalised):
    def measure(code):
        encoder, neuron = codes[code]
        recording = simulate(normalised, images, Simulation(neuron=neuron, encoder=encoder, duration=60 * ms, seed=1))
        spent = energies(graph, encoder, recording.steps)
        return measure_answers(recording, labels, ann, **spent).assign(encoder=code)

    table = pd.concat([measure(code) for code in codes])
    draw_accuracy_over_time(table, hue="encoder")
    return (table,)


@app.cell
def _(graph, normalised):
    _macs = ann_energy_nj(graph) * 1000 / 4.6
    mo.md(rf"""
    ## What a spike costs

    In the ANN every weight costs a multiplication and an addition, 4.6 pJ; in the spiking network every spike costs an
    addition, 0.9 pJ, for each synapse that it reaches (Horowitz 2014: 32-bit numbers, 45 nm). With $n$ spikes per neuron

    $$E_\text{{ANN}} = 4.6\,\text{{pJ}} \cdot N_\text{{weights}}, \qquad
    E_\text{{SNN}} \approx 0.9\,\text{{pJ}} \cdot N_\text{{weights}} \cdot n .$$

    So the spiking network is cheaper as long as its neurons spike fewer than $4.6 / 0.9 \approx 5.1$ times on average until it
    is read. This network has {_macs:,.0f} weights. Moving data costs more than this arithmetic, and is not counted.
    """)
    return


@app.cell
def _(table):
    draw_energy_and_accuracy(table, hue="encoder")
    return


@app.cell
def _(table):
    _of_poisson = table[table["encoder"] == "Poisson"]
    _early = _of_poisson[_of_poisson["time_ms"] >= 20].iloc[0]
    mo.md(f"""
    With Poisson input the spiking network has spent **{_early["energy_nj"] / _early["ann_energy_nj"]:.0%}** of the ANN's
    energy after 20 ms, and knows **{_early["accuracy"]:.0%}** of the digits, where the ANN knows {_early["ann_accuracy"]:.0%}.
    """)
    return


@app.cell
def _():
    mo.md(r"""
    ## Exercises

    1. Why does a constant current not answer at once, although its input has no error?
    2. A Poisson input at 100 Hz in the place of 1000 Hz: how much later is the answer, and how much cheaper?
    3. Most pixels of a digit are black. What does that do to the energy of both networks?
    4. Read the answer from the first output spike in the place of the count. What is gained, what is lost?
    """)
    return


@app.cell
def _():
    mo.accordion(
        {
            "Solution 1": mo.md(
                "The layers behind the first one still count spikes: their rates are precise to one spike in the window, and "
                "their potentials have to fill first."
            ),
            "Solution 2": mo.md(
                "Ten times as late for the same counts. As many spikes are needed for the same precision, so that little is saved: the "
                "energy goes with spikes, not with time."
            ),
            "Solution 3": mo.md(
                "A black pixel never spikes and costs nothing in the spiking network. In the ANN its weights are multiplied "
                "by 0 at the full price."
            ),
            "Solution 4": mo.md(
                "Time and energy are gained. The first spike has seen little evidence, and classes that tie cannot be told "
                "apart. Study: codes (`results/codes`)."
            ),
        }
    )
    return


@app.cell
def _():
    mo.md(r"""
    ## Where this comes from

    * Kim et al., Neurocomputing 311, 2018: phase coding, weighted spikes. Izhikevich, IEEE TNN 2003: bursts.
    * Rueckauer et al., Frontiers in Neuroscience 2017: the input as a constant current.
    * Horowitz, ISSCC 2014, "Computing's energy problem": the energy of an operation.
    * Here: the studies codes (`results/codes`) and normalization (`results/normalization`).

    **Next**: 6. Biology.
    """)
    return


if __name__ == "__main__":
    app.run()
