"""Lesson 2 of 6: from weights to spikes."""

import marimo

__generated_with = "0.25.2"
app = marimo.App(width="medium", app_title="2. From weights to spikes")

with app.setup:
    from dataclasses import replace

    import marimo as mo
    import numpy as np
    import pandas as pd
    from brian2 import Hz, ms

    from conversion.normalize import normalize
    from conversion.recording import Probe
    from conversion.settings import Simulation
    from conversion.simulate import simulate
    from models.datasets import load_dataset
    from models.encoders import Poisson
    from models.neurons import integrate_and_fire
    from models.onnx_io import activations, load, predict
    from models.paths import WEIGHTS
    from studies.draw import PALETTE, draw_confusions, draw_membrane_traces, draw_raster, draw_rates, drawing
    from studies.look import typical_neuron
    from studies.measure import answers, scores


@app.cell
def _():
    mo.md(r"""
    # 2. From weights to spikes

    *20 minutes, after lesson 1.*

    **You will know** how a trained network becomes spiking neurons without training, what its layers do while an image
    is shown, and in which sense a firing rate is an activation.

    The way of every network here, and each arrow is one function that you will call:

    `weights.onnx` → `Graph` → normalise → simulate → `Recording` → figures
    """)
    return


@app.cell
def _():
    mo.md(r"""
    ## A trained network

    An ONNX file becomes a graph of a few kinds of layers. Nothing computes yet.
    """)
    return


@app.cell
def _():
    graph = load(WEIGHTS / "mnist_convnet.onnx")
    mo.plain(
        pd.DataFrame(
            [(layer.name, type(layer).__name__, " x ".join(map(str, graph.shapes[layer.name]))) for layer in graph],
            columns=["layer", "kind", "shape of its output"],
        ).set_index("layer")
    )
    return (graph,)


@app.cell
def _(graph):
    digits = load_dataset("digits")
    images, labels, calibration = digits.x[:30], digits.y[:30], digits.x[-500:]
    ann_answers = predict(graph, images).argmax(axis=1)
    mo.md(f"""
    The network was trained on MNIST, and the digits here were kept from it. It knows **{(ann_answers == labels).mean():.0%}**
    of the first {len(images)}: the ceiling, since the spiking network computes the same function, only less exactly.
    """)
    return ann_answers, calibration, images, labels


@app.cell
def _():
    mo.md(r"""
    ## The same weights, as synapses

    Each ReLU becomes an integrate-and-fire neuron, and each weight a synapse. A spike of neuron $i$ moves the potential
    of neuron $j$ by $w_{ji}$, and the bias $b_j$ is a constant current:

    $$v_j \leftarrow v_j + \sum_i w_{ji}\, s_i(t) + b_j, \qquad s_i(t) \in \{0, 1\}.$$

    On average over time $s_i$ is the rate $r_i$, so the current into $j$ is $\sum_i w_{ji} r_i + b_j$, and with lesson 1

    $$r_j = \max\Big(0,\ \sum_i w_{ji}\, r_i + b_j\Big) \quad \text{as long as it is at most } 1 .$$

    That is the layer of the ANN. To keep every rate below 1 the weights are scaled, which is the subject of lesson 3;
    here it is one call.
    """)
    return


@app.cell
def _(calibration, graph):
    normalised = normalize(graph, calibration, "data")
    before, after = activations(graph, calibration), activations(normalised, calibration)
    largest = pd.DataFrame(
        {"as trained": {n: x.max() for n, x in before.items()}, "scaled": {n: x.max() for n, x in after.items()}}
    )
    mo.vstack([mo.md("The largest activation of each layer:"), mo.plain(largest.map("{:.2f}".format))])
    return (normalised,)


@app.cell
def _():
    mo.md(r"""
    ## An image in spikes

    A pixel $x$ becomes a **Poisson** spike train: in every step of 1 ms a spike with the probability $x$. After $T$ steps
    the count is binomial, with the mean $T x$ and the standard deviation $\sqrt{T\, x (1 - x)}$, so the relative error
    of a rate falls with $1 / \sqrt T$. **Show the image longer, and predict what happens.**
    """)
    return


@app.cell
def _():
    number = mo.ui.slider(0, 29, 1, value=0, label="digit", show_value=True)
    window = mo.ui.slider(5, 100, 5, value=40, label="window (ms)", show_value=True)
    mo.hstack([number, window], justify="start")
    return number, window


@app.cell
def _(images, normalised, number, window):
    populations = ("input", "conv1", "pool1", "conv2", "pool2", "fc")
    _values = activations(normalised, images[[number.value]], ["conv1", "conv2"])
    _traces = {name: (typical_neuron(values),) for name, values in _values.items()}
    probe = Probe(rasters=populations, traces=_traces)
    simulation = Simulation(neuron=integrate_and_fire(), encoder=Poisson(1000 * Hz), duration=window.value * ms, seed=1)
    one = simulate(normalised, images[[number.value]], replace(simulation, probe=probe))
    return one, probe, simulation


@app.cell
def _(images, number, one, window):
    rates = one.spike_counts["input"][0, 0] / window.value
    pixels = images[number.value, 0]
    _grey = np.round(pixels, 1)
    _levels = [x for x in np.unique(_grey) if (_grey == x).sum() > 3]
    _spread = [np.sqrt(np.mean((rates - pixels)[_grey == x] ** 2)) for x in _levels]
    with drawing(7, 2.6) as poisson:
        _left, _middle, _right = poisson.subplots(1, 3)
        _left.imshow(pixels, cmap="gray", vmin=0, vmax=1)
        _middle.imshow(rates, cmap="gray", vmin=0, vmax=1)
        _left.set_title("pixels", fontsize=10)
        _middle.set_title(f"rates of {window.value} ms", fontsize=10)
        _left.set_axis_off()
        _middle.set_axis_off()
        _x = np.linspace(0, 1, 101)
        _right.plot(_x, np.sqrt(_x * (1 - _x) / window.value), "k--", label=r"$\sqrt{x(1-x)/T}$")
        _right.plot(_levels, _spread, "o", color=PALETTE[0], label="measured")
        _right.set(xlabel="pixel $x$", ylabel="error of the rate", ylim=(0, None))
        _right.legend(frameon=False, fontsize=8)
    poisson
    return


@app.cell
def _():
    mo.md(r"""
    ## A wave of spikes

    Spikes reach one layer after the other. Where a potential (blue) reaches the threshold, a spike takes one threshold
    away, and what is left stays.
    """)
    return


@app.cell
def _(one):
    draw_raster(one, shown=30)
    return


@app.cell
def _(one, probe):
    draw_membrane_traces(one, probe)
    return


@app.cell
def _():
    mo.md(r"""
    ## Is a rate an activation?

    Each point, or each cell of many, is a neuron and an image. On the dashed line a rate says exactly what the ANN says.
    """)
    return


@app.cell
def _(images, normalised, simulation):
    recording = simulate(normalised, images, simulation)
    draw_rates(recording, {"input": images, **activations(normalised, images)})
    return (recording,)


@app.cell
def _():
    mo.md(r"""
    ## What it answers

    The answer is the class that spiked most often.
    """)
    return


@app.cell
def _(ann_answers, labels, recording):
    draw_confusions(answers(scores(recording, "count")[-1]), labels, ann_answers)
    return


@app.cell
def _():
    mo.md(r"""
    ## Exercises

    1. The output is silent for the first milliseconds. Why?
    2. In the panel *fc* above, some activations are below 0. What do the rates say there, and why does it not matter?
    3. At which window do the answers become those of the ANN?
    4. How much longer must an image be shown for half of the Poisson error?
    """)
    return


@app.cell
def _():
    mo.accordion(
        {
            "Solution 1": mo.md(
                "Potentials begin at 0 and have to fill up to the threshold first, in one layer after the other. Beginning "
                "at half a threshold shortens that."
            ),
            "Solution 2": mo.md(
                "Rates are 0 there: a neuron cannot fire less than never. The answer is the largest output, and that is above 0."
            ),
            "Solution 3": mo.md(
                "From about 20 ms on, all but one or two agree. Late are those of which the ANN is least sure itself: "
                "look at digit 0, a 4 that is nearly a 9."
            ),
            "Solution 4": mo.md(r"Four times as long: $1 / \sqrt{4 T} = \frac12 \cdot 1 / \sqrt T$."),
        }
    )
    return


@app.cell
def _():
    mo.md(r"""
    ## Where this comes from

    * Cao, Chen, Khosla, IJCV 2015; Diehl et al., IJCNN 2015: ReLU networks as integrate-and-fire neurons.
    * Rueckauer et al., Frontiers in Neuroscience 2017, equations 1 to 7: rates and activations.
    * The same figures of any network: `brianize look mnist_convnet`.

    **Next**: 3. Normalisation and thresholds.
    """)
    return


if __name__ == "__main__":
    app.run()
