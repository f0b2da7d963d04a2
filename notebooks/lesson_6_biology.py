"""Lesson 6 of 6: biology."""

import marimo

__generated_with = "0.25.2"
app = marimo.App(width="medium", app_title="6. Biology")

with app.setup:
    from dataclasses import replace

    import marimo as mo
    import numpy as np
    import pandas as pd
    from brian2 import Hz, ms, second

    from conversion.brian import measure_rates
    from conversion.delays import Delays
    from conversion.normalize import fi_curve, match_fi, normalize
    from conversion.recording import Probe
    from conversion.settings import Simulation
    from conversion.simulate import simulate
    from conversion.variability import Variability
    from models.datasets import load_dataset
    from models.encoders import Poisson, SpikeTrains
    from models.graph import Dense, Graph
    from models.neurons import (
        NEURONS,
        alpha_current,
        exponential_current,
        integrate_and_fire,
        leaky_integrate_and_fire,
        membrane_noise,
    )
    from models.onnx_io import load, predict
    from models.paths import RESULTS, WEIGHTS
    from studies.draw import PALETTE, draw_accuracy_over_time, drawing
    from studies.measure import measure_answers


@app.cell
def _():
    mo.md(r"""
    # 6. Biology

    *25 minutes, after lesson 5.*

    **You will know** why a network of biological neurons dies when it is converted as it is, how two numbers mend it
    without training, and how much of biology's slowness, noise and diversity a network bears.
    """)
    return


@app.cell
def _():
    mo.md(r"""
    ## Neurons with units

    A **leaky membrane** has a capacitance and a conductance, and its potential is in mV. Others make their own spikes
    (quadratic, exponential), or tire of them (adaptive). Their f-I curves are no ReLU: they begin at a rheobase, and bend.
    """)
    return


@app.cell
def _():
    kind = mo.ui.dropdown(["lif_mv", "qif", "eif", "alif", "adex_tonic"], value="lif_mv", label="neuron")
    share = mo.ui.slider(0.5, 1.0, 0.05, value=1.0, label="background, share of the onset", show_value=True)
    mo.hstack([kind, share], justify="start")
    return kind, share


@app.cell
def _(kind, share):
    step, full = 0.5 * ms, 200.0  # Hz, the rate that stands for activation 1
    plain = NEURONS[kind.value]()
    found = fi_curve(plain, full, step)
    matched = match_fi(plain, full, step, share.value)
    activation = np.linspace(0, 1, 26)
    rates = {}
    for _name, _neuron in (("as it is", plain), ("matched", matched)):
        _currents = _neuron.background + activation * full * float(_neuron.current_unit)
        rates[_name] = measure_rates(replace(_neuron, background=0.0), "drive", _currents, step, 1 * second)
    with drawing(6, 3.2) as curves:
        _axes = curves.subplots()
        _axes.plot(activation, activation * full, "k--", label="a ReLU")
        _axes.plot(activation, rates["as it is"], "s-", color="0.6", markersize=4, label="as it is")
        _axes.plot(activation, rates["matched"], "o-", color=PALETTE[0], markersize=4, label="matched")
        _axes.set(xlabel="activation", ylabel="firing rate (Hz)")
        _axes.legend(frameon=False)
    curves
    return activation, found, full, matched, rates


@app.cell
def _():
    mo.md(r"""
    ## Two numbers make it a ReLU

    **Matching** gives every neuron a constant background current $I_b$ at the onset $I_0$ of its f-I curve $f$, and a
    gain $g$, what one spike is worth:

    $$I_b = I_0, \qquad g = \frac{f^{-1}(r_\text{max}) - I_b}{r_\text{max}} .$$

    Now activation 0 is silence and activation 1 the rate $r_\text{max}$. In between the curve is as straight as $f$ is. No weight
    is touched.
    """)
    return


@app.cell
def _():
    graph = load(WEIGHTS / "mnist_mlp.onnx")
    digits = load_dataset("digits")
    images, labels, calibration = digits.x[:50], digits.y[:50], digits.x[-500:]
    normalised, ann = normalize(graph, calibration, "percentile", percentile=99.9), predict(graph, images)

    def measure(name, neuron, rate=1000 * Hz, duration=80 * ms, **settings):
        simulation = Simulation(neuron=neuron, encoder=Poisson(rate), duration=duration, seed=1, **settings)
        return measure_answers(simulate(normalised, images, simulation), labels, ann).assign(neuron=name)

    return (measure,)


@app.cell
def _(measure):
    _neuron = leaky_integrate_and_fire(5 * ms)
    matching = pd.concat(
        [
            measure("no leak", integrate_and_fire()),
            measure("5 ms, as it is", _neuron),
            measure("5 ms, matched", match_fi(_neuron, 1000.0, 1 * ms)),
        ]
    )
    mo.vstack(
        [
            mo.md("Lesson 4's leaky network, which died at 5 ms, with its f-I curve matched:"),
            draw_accuracy_over_time(matching, hue="neuron"),
        ]
    )
    return (matching,)


@app.cell
def _():
    mo.md(r"""
    ## Synapses take time

    A spike of weight $w$ does not jump the membrane, but opens a current that decays with $\tau_s$; an alpha function
    rises first:

    $$I_\text{exp}(t) = \frac{w}{\tau_s} e^{-t/\tau_s}, \qquad I_\alpha(t) = \frac{w\,t}{\tau_s^2} e^{-t/\tau_s}.$$

    Both bring the charge $w$ in the end. The potential of a neuron without a leak is their integral.
    """)
    return


@app.cell
def _():
    tau_s = mo.ui.slider(1, 20, 1, value=5, label=r"synapse $\tau_s$ (ms)", show_value=True)
    tau_s
    return (tau_s,)


@app.cell
def _(tau_s):
    _one = Graph((1,), (Dense(name="neuron", inputs=("input",), weight=np.full((1, 1), 0.8, np.float32)),))
    _spikes = np.zeros((80, 1, 1), bool)
    _spikes[0] = True
    _probe = Probe(rasters=("neuron",), traces={"neuron": (0,)})
    traces, _t = {}, np.arange(80)
    for _name, _synapse in (("exponential", exponential_current), ("alpha", alpha_current)):
        _neuron = _synapse(integrate_and_fire(), tau_s.value * ms)
        _simulation = Simulation(neuron=_neuron, encoder=SpikeTrains(_spikes), duration=80 * ms, probe=_probe)
        traces[_name] = simulate(_one, np.ones((1, 1), np.float32), _simulation).traces["neuron"][:, 0, 0]
    _x = (_t + 1) / tau_s.value
    closed = {"exponential": 0.8 * (1 - np.exp(-_x)), "alpha": 0.8 * (1 - (1 + _x) * np.exp(-_x))}
    with drawing(6, 2.8) as potentials:
        _axes = potentials.subplots()
        for _name, _marker in (("exponential", "o"), ("alpha", "s")):
            _axes.plot(_t + 1, closed[_name], "k--", linewidth=1)
            _axes.plot(_t + 1, traces[_name], _marker, color=PALETTE[0], markersize=3, label=f"{_name}, measured")
        _axes.axhline(0.8, color="0.6", linewidth=1, label="the weight, 0.8")
        _axes.set(xlabel="time since the spike (ms)", ylabel="potential", ylim=(0, 1))
        _axes.legend(frameon=False, loc="lower right", fontsize=9)
    potentials
    return closed, traces


@app.cell
def _():
    mo.md(r"""
    ## How much does a network bear?

    Slow synapses, slow axons, noise at the membrane, neurons that differ, neurons that died, synapses that fail: the
    network was trained without any of it. **Raise one at a time, and say before which will hurt.**
    """)
    return


@app.cell
def _():
    biology = mo.ui.dictionary(
        {
            "synapse": mo.ui.slider(0, 20, 1, value=0, label=r"synapses $\tau_s$ (ms)", show_value=True),
            "delay": mo.ui.slider(0, 10, 1, value=0, label="delay of a spike (ms)", show_value=True),
            "noise": mo.ui.slider(
                0, 0.5, 0.05, value=0, label=r"membrane noise (thresholds per $\sqrt{ms}$)", show_value=True
            ),
            "spread": mo.ui.slider(0, 0.8, 0.1, value=0.2, label="spread of thresholds (s.d. / mean)", show_value=True),
            "dead": mo.ui.slider(0, 0.8, 0.1, value=0, label="share of dead neurons", show_value=True),
            "release": mo.ui.slider(
                0.1, 1, 0.1, value=1, label="probability that a synapse passes a spike on", show_value=True
            ),
        }
    )
    mo.vstack(list(biology.elements.values()))
    return (biology,)


@app.cell
def _(biology, measure):
    _chosen, _neuron = biology.value, integrate_and_fire()
    _neuron = exponential_current(_neuron, _chosen["synapse"] * ms) if _chosen["synapse"] else _neuron
    _neuron = membrane_noise(_neuron, _chosen["noise"] / ms**0.5) if _chosen["noise"] else _neuron
    _variability = Variability(
        cv={"v_th": _chosen["spread"]}, dead_share=_chosen["dead"], release_probability=_chosen["release"]
    )
    borne = pd.concat(
        [
            measure("an ideal network", integrate_and_fire()),
            measure("with this biology", _neuron, variability=_variability, delays=Delays(_chosen["delay"] * ms)),
        ]
    )
    draw_accuracy_over_time(borne, hue="neuron")
    return (borne,)


@app.cell
def _():
    bearable = pd.read_csv(RESULTS / "tolerance" / "bearable.csv")
    mo.vstack(
        [
            mo.md(
                "The whole answer, as multiples of the physiological value that cost at most a point of accuracy, of the "
                "studies behind sentence 12 of `results/README.md`:"
            ),
            mo.plain(bearable.pivot(index="factor", columns="model", values="bearable").map("{:.2g}".format)),
        ]
    )
    return


@app.cell
def _():
    mo.md(r"""
    ## Exercises

    1. Why does a delay, the same for all spikes, cost time but no accuracy?
    2. Half of all neurons die. Why does the network still know something, and what would mend more?
    3. A synapse passes on half of the spikes. Which scale of which weights would make up for that on average, and for
       what would it not?
    4. Membrane noise makes silent neurons fire. Which background of matching, at the onset or below it, is the better one
       then?
    """)
    return


@app.cell
def _():
    mo.accordion(
        {
            "Solution 1": mo.md(
                "Every layer is read that much later, and its spikes are the same. The answer comes later by the delay times the number of layers."
            ),
            "Solution 2": mo.md(
                "Evidence is spread over many neurons, and what is left points to the same class, more weakly. Weights twice as large, or half the threshold, restore the mean."
            ),
            "Solution 3": mo.md(
                "All weights times two restore the mean rate. The chance that a spike is lost stays, a noise like that of a Poisson input."
            ),
            "Solution 4": mo.md(
                "Below it: then noise must be larger to reach the threshold. But small activations are lost. The study matching (`results/matching`) compares them."
            ),
        }
    )
    return


@app.cell
def _():
    mo.md(r"""
    ## Where this comes from

    * Gerstner et al., *Neuronal Dynamics*, chapters 5 and 6, section 8.1: nonlinear and adaptive neurons, noise.
    * Brunel, J Comput Neurosci 2000; Vogels and Abbott, J Neurosci 2005; Destexhe and Paré, J Neurophysiol 1999: the
      physiological values, with others in `studies/physiology.csv`.
    * Rotter and Diesmann, Biological Cybernetics 1999: exact synapses.
    * Here: matching (`results/matching`), synapses (`results/synapses`),
      noise (`results/noise`), diversity (`results/diversity`). A neuron of your own in twenty lines:
      `notebooks/your_own_neuron.md`.

    **Now** open the lab, `make lab`, and ask something that no lesson asked.
    """)
    return


if __name__ == "__main__":
    app.run()
