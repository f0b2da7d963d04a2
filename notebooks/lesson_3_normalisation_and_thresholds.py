"""Lesson 3 of 6: normalisation and thresholds."""

import marimo

__generated_with = "0.25.2"
app = marimo.App(width="medium", app_title="3. Normalisation and thresholds")

with app.setup:
    from dataclasses import replace

    import marimo as mo
    import numpy as np
    import pandas as pd
    from brian2 import Hz, ms

    from conversion.normalize import normalize
    from conversion.settings import Simulation
    from conversion.simulate import simulate
    from models.datasets import load_dataset
    from models.encoders import ConstantCurrent, Poisson
    from models.graph import Dense
    from models.neurons import integrate_and_fire
    from models.onnx_io import activations, load, predict
    from models.paths import WEIGHTS
    from studies.draw import PALETTE, draw_accuracy_over_time, draw_rates, drawing
    from studies.measure import measure_answers


@app.cell
def _():
    mo.md(r"""
    # 3. Normalisation and thresholds

    *20 minutes, after lesson 2.*

    **You will know** why a trained network must be rescaled before it spikes, what the largest activation and a
    percentile of it trade for each other, and why a threshold is a normalisation too.
    """)
    return


@app.cell
def _():
    graph = load(WEIGHTS / "mnist_mlp.onnx")
    digits = load_dataset("digits")
    images, labels, calibration = digits.x[:50], digits.y[:50], digits.x[-500:]
    ann = predict(graph, images)
    trained = activations(graph, calibration, ["fc1", "fc2", "fc3"])
    mo.md(f"""
    ## Activations know no limit, rates do

    A neuron spikes at most once a step, so that no rate exceeds 1. The largest activations of this fully connected
    network, of the digits kept for calibration, are

    {", ".join(f"**{values.max():.1f}** in {name}" for name, values in trained.items())}.

    As trained, its neurons would be asked for rates that they cannot have.
    """)
    return ann, calibration, graph, images, labels, trained


@app.cell
def _():
    mo.md(r"""
    ## One scale for each layer

    A ReLU does not mind a positive factor: $\max(0, c\,z) = c \max(0, z)$. So the activations of layer $l$ can be divided
    by a scale $\lambda_l$, if the next layer's weights make up for it:

    $$W^l \leftarrow W^l\, \frac{\lambda_{l-1}}{\lambda_l}, \qquad b^l \leftarrow \frac{b^l}{\lambda_l}, \qquad \lambda_0 = 1 .$$

    The ANN answers what it did before. What should $\lambda_l$ be?

    | scheme | $\lambda_l$ |
    |:---|:---|
    | `model` | the largest sum of positive weights: never too small, mostly far too large |
    | `data` | the largest activation of the calibration images |
    | `percentile` | their $p$-th percentile: the few activations above it are cut off |
    | `channel` | a percentile for each channel by itself |
    """)
    return


@app.cell
def _():
    p = mo.ui.slider(90, 100, 0.5, value=99, label="percentile $p$", show_value=True)
    p
    return (p,)


@app.cell
def _(calibration, graph, p, trained):
    scaled = normalize(graph, calibration, "percentile", percentile=p.value)
    with drawing(7, 2.6) as histograms:
        _panels = histograms.subplots(1, 2, sharey=True)
        for _axes, _name in zip(_panels, list(trained)[:2], strict=True):
            _values = trained[_name][trained[_name] > 0]
            _lambda = np.percentile(trained[_name], p.value)
            _axes.hist(_values, bins=50, color="0.7", log=True)
            _axes.axvline(_lambda, color=PALETTE[0], linewidth=2, label=rf"$\lambda$ = {_lambda:.2f}")
            _axes.axvline(_values.max(), color="black", linestyle="--", label=f"largest, {_values.max():.2f}")
            _axes.set(title=_name, xlabel="activation as trained (above 0)", xlim=(0, 1.6 * _values.max()))
            _axes.legend(frameon=False, fontsize=8)
        _panels[0].set_ylabel("neurons and images")
    histograms
    return (scaled,)


@app.cell
def _(images, scaled):
    _encoder = ConstantCurrent(1000 * Hz)  # an input without chance, so that only the scale is seen
    spiking = simulate(scaled, images, Simulation(neuron=integrate_and_fire(), encoder=_encoder, duration=60 * ms))
    mo.vstack(
        [
            mo.md("Rates against activations: what lies above 1 is cut off."),
            draw_rates(spiking, activations(scaled, images)),
        ]
    )
    return


@app.cell
def _():
    mo.md(r"""
    ## What it does to the answer

    A smaller $\lambda$ makes every neuron faster, so that evidence arrives sooner, and cuts off more. **Predict which
    scheme answers first, and which one never answers in 60 ms. Then look.**
    """)
    return


@app.cell
def _(ann, calibration, graph, images, labels):
    def measure(scheme, **settings):
        simulation = Simulation(neuron=integrate_and_fire(), encoder=Poisson(1000 * Hz), duration=60 * ms, seed=1)
        recording = simulate(normalize(graph, calibration, scheme, **settings), images, simulation)
        return measure_answers(recording, labels, ann).assign(normalization=scheme)

    _schemes = {
        "none": {},
        "model": {},
        "data": {},
        "percentile": {"percentile": 99.0},
        "channel": {"percentile": 99.0},
    }
    table = pd.concat([measure(scheme, **settings) for scheme, settings in _schemes.items()])
    draw_accuracy_over_time(table)
    return (table,)


@app.cell
def _():
    mo.md(r"""
    ## A threshold is a normalisation

    Only the ratio of weights and threshold matters to an integrate-and-fire neuron: $v \ge \theta$ with weights $W$ is
    $v / \theta \ge 1$ with weights $W / \theta$. So raising the threshold of a layer by a factor $c$ is the same as
    dividing its weights and biases by $c$, **spike by spike**.
    """)
    return


@app.cell
def _():
    factor = mo.ui.slider(0.25, 4, 0.25, value=2, label="threshold $c$", show_value=True)
    factor
    return (factor,)


@app.cell
def _(calibration, factor, graph, images):
    _data = normalize(graph, calibration, "data")
    _layers = [
        replace(x, weight=x.weight / factor.value) if isinstance(x, Dense) else x for x in _data
    ]  # no biases here
    _common = {"encoder": Poisson(1000 * Hz), "duration": 60 * ms, "seed": 1}
    raised = simulate(_data, images, Simulation(neuron=integrate_and_fire(v_th=factor.value), **_common))
    divided = simulate(
        replace(_data, layers=tuple(_layers)), images, Simulation(neuron=integrate_and_fire(), **_common)
    )
    mo.md(f"""
    | | spikes of all layers, {len(images)} images |
    |---|---|
    | threshold {factor.value:g}, weights $W$ | {raised.spikes[-1].sum() * len(images):,.0f} |
    | threshold 1, weights $W$ / {factor.value:g} | {divided.spikes[-1].sum() * len(images):,.0f} |
    """)
    return divided, raised


@app.cell
def _():
    mo.md(r"""
    ## Exercises

    1. A layer's largest activation is 8, its 99th percentile 2. How much faster is the network with the second scale,
       and which share of activations is cut off?
    2. The network as trained, `none`, answers too, if not as well. Why does it answer at all?
    3. Without normalisation, which single threshold for all layers would you try first for this network?
    4. Why is `model` so slow in deep networks?
    """)
    return


@app.cell
def _():
    mo.accordion(
        {
            "Solution 1": mo.md(
                "Rates are 4 times as large, so that a count is reached in a quarter of the time. 1 % are cut off, and the activations of the layers behind change with them."
            ),
            "Solution 2": mo.md(
                "Neurons that are asked for more than a spike per step give one spike per step: the network is one of saturated neurons, which keep the order of many activations, but not how large they are."
            ),
            "Solution 3": mo.md(
                r"With the threshold $c$ in every layer, the rates of layer $l$ are its activations $a_l$ over $c^l$. They "
                r"are at most 1 if $c \ge a_l^{1/l}$ for every $l$. The study "
                "thresholds (`results/thresholds`) tries eight."
            ),
            "Solution 4": mo.md(
                "Its scales are bounds that no image reaches. They multiply: with a factor of 5 too much in each of three layers the output is 125 times too slow."
            ),
        }
    )
    return


@app.cell
def _():
    mo.md(r"""
    ## Where this comes from

    * Diehl et al., IJCNN 2015: model-based and data-based normalisation.
    * Rueckauer et al., Frontiers in Neuroscience 2017, section 2.2: biases, and the percentile.
    * Kim et al., AAAI 2020: a scale for each channel. Sengupta et al., Frontiers in Neuroscience 2019: thresholds in the
      place of scales.
    * Here: what was found (`results/README.md`), sentences 1, 2 and 8.

    **Next**: 4. Leak, reset, refractoriness.
    """)
    return


if __name__ == "__main__":
    app.run()
