"""Lesson 1 of 6: one neuron is a ReLU."""

import marimo

__generated_with = "0.25.2"
app = marimo.App(width="medium", app_title="1. One neuron is a ReLU")

with app.setup:
    import marimo as mo
    import numpy as np
    from brian2 import ms, second

    from conversion.brian import measure_rates
    from models.neurons import integrate_and_fire
    from studies.draw import PALETTE, drawing


@app.cell
def _():
    mo.md(r"""
    # 1. One neuron is a ReLU

    *15 minutes. No knowledge of spikes is needed; of a ReLU, that it is $\max(0, x)$.*

    **You will know** why the firing rate of the simplest spiking neuron is a ReLU of its input, what its threshold
    does, and how many values a rate can have after a given time.
    """)
    return


@app.cell
def _():
    mo.md(r"""
    ## A neuron is a bucket

    The potential $v$ of an **integrate-and-fire** neuron sums the current $I$ that flows in. When it reaches the
    threshold $\theta$ the neuron sends a spike, and a spike takes $\theta$ away:

    $$\frac{dv}{dt} = I, \qquad \text{if } v \ge \theta:\ \text{spike},\ v \leftarrow v - \theta.$$
    """)
    return


@app.cell
def _():
    current = mo.ui.slider(-20, 200, 5, value=60, label="current $I$ (per second)", show_value=True)
    theta = mo.ui.slider(0.5, 2, 0.25, value=1, label=r"threshold $\theta$", show_value=True)
    mo.hstack([current, theta], justify="start")
    return current, theta


@app.function
def one_neuron(current, theta, steps, dt=0.001):
    """The potential after each step and the steps in which it spikes: the equation above as a loop."""
    v, potential, spikes = 0.0, [], []
    for step in range(steps):
        v += current * dt
        if v >= theta - 1e-9:  # 0.1 + 0.2 is not 0.3 in a computer
            spikes.append(step)
            v -= theta
        potential.append(v)
    return np.array(potential), np.array(spikes, int)


@app.cell
def _(current, theta):
    _v, _spikes = one_neuron(current.value, theta.value, 200)
    with drawing(7, 2.8) as trace:
        _axes = trace.subplots()
        _axes.step(np.arange(1, 201), _v, where="post", color=PALETTE[0], label="potential")
        _axes.axhline(theta.value, color="black", linestyle="--", linewidth=1, label="threshold")
        _axes.plot(_spikes + 1, np.full(len(_spikes), 1.15 * theta.value), "k|", markersize=9, label="spike")
        _axes.set(xlabel="time (ms)", ylabel="potential", xlim=(0, 200))
        _axes.legend(loc="center left", bbox_to_anchor=(1, 0.5), frameon=False)
    trace
    return


@app.cell
def _(current, theta):
    _, _spikes = one_neuron(current.value, theta.value, 10_000)
    mo.md(rf"""
    **Predict, then look.** A spike needs the charge $\theta$, so the rate should be $I / \theta$, and $0$ for a current
    below $0$:

    $$r = \frac{{\max(0, I)}}{{\theta}} = \frac{{\max(0, {current.value})}}{{{theta.value:g}}} =
    {max(0, current.value) / theta.value:.1f}\ \text{{Hz}}.$$

    The neuron sent **{len(_spikes) / 10:.1f} spikes per second**, counted for ten seconds.
    """)
    return


@app.cell
def _():
    mo.md(r"""
    ## The f-I curve

    The rate over the current is the neuron's **f-I curve**. Here Brian2 measures it, with the neuron that all networks
    of this project begin with. It is a ReLU whose slope is $1 / \theta$.
    """)
    return


@app.cell
def _(theta):
    currents = np.linspace(-100, 300, 41)
    rates = measure_rates(integrate_and_fire(v_th=theta.value), "drive", currents, dt=1 * ms, window=1 * second)
    with drawing(6, 3) as curve:
        _axes = curve.subplots()
        _axes.plot(currents, np.maximum(0, currents) / theta.value, "k--", label=r"$\max(0, I) / \theta$")
        _axes.plot(currents, rates, "o", color=PALETTE[0], markersize=5, label="measured")
        _axes.set(xlabel="current $I$ (per second)", ylabel="firing rate (Hz)")
        _axes.legend(frameon=False)
    curve
    return currents, rates


@app.cell
def _():
    mo.md(r"""
    ## A rate takes time

    After $T$ steps of 1 ms a neuron has sent a whole number of spikes, at most one per step. So the rate, in units of
    one spike per step, is one of $0, \frac1T, \frac2T, \dots, 1$. For an input $x = I \cdot 1\,\text{ms} / \theta$:

    $$\frac{n}{T} = \frac{\lfloor T\,x \rfloor}{T}\ \text{between } 0 \text{ and } 1, \qquad
    0 \le x - \frac{n}{T} < \frac1T .$$

    A neuron that begins at $v = \theta / 2$ rounds in the place of rounding down, which halves the error.
    """)
    return


@app.cell
def _():
    steps = mo.ui.slider(2, 50, 1, value=8, label="steps $T$", show_value=True)
    half = mo.ui.switch(label=r"begin at $\theta / 2$")
    mo.hstack([steps, half], justify="start")
    return half, steps


@app.cell
def _(half, steps):
    inputs = np.linspace(-0.2, 1.2, 281)
    _floor = np.floor(steps.value * inputs + (0.5 if half.value else 0) + 1e-9)
    predicted = np.clip(_floor, 0, steps.value) / steps.value
    counted = np.zeros(len(inputs))
    _v = np.full(len(inputs), 0.5 if half.value else 0.0)
    for _ in range(steps.value):
        _v += inputs
        counted += _v >= 1 - 1e-9
        _v -= _v >= 1 - 1e-9
    with drawing(6, 3) as stairs:
        _axes = stairs.subplots()
        _axes.plot(inputs, np.clip(inputs, 0, 1), color="0.6", label="ReLU, at most 1")
        _axes.plot(inputs, counted / steps.value, color=PALETTE[0], linewidth=2, label="counted")
        _axes.plot(inputs, predicted, "k--", linewidth=1, label="formula")
        _axes.set(xlabel="input $x$", ylabel="spikes per step, $n/T$")
        _axes.legend(frameon=False)
    stairs
    return counted, predicted


@app.cell
def _():
    mo.md(r"""
    ## Exercises

    1. Which current makes a neuron with the threshold 2 fire at 50 Hz? Try it above.
    2. How many steps does a rate need to tell 100 values apart?
    3. The largest rate is one spike per step. Which part of a network's activations does that cut off, and what could
       be done about it?
    4. A rate rounds down. What does that do to the sum of 400 of them, in the next layer?
    """)
    return


@app.cell
def _():
    mo.accordion(
        {
            "Solution 1": mo.md(r"$I = r\,\theta = 50\ \text{Hz} \cdot 2 = 100$ per second."),
            "Solution 2": mo.md(r"$T$ steps give $T + 1$ values: 99 steps. Precision costs time, here 99 ms."),
            "Solution 3": mo.md(
                "Everything above 1. Dividing the weights so that no activation is larger is called normalisation, the "
                "subject of lesson 3. A higher threshold does the same."
            ),
            "Solution 4": mo.md(
                r"Each loses $\frac{1}{2T}$ on average, and 400 of them $\frac{200}{T}$ times their mean weight: a "
                r"bias. Beginning at $\theta/2$ takes it away (Bu et al. 2022)."
            ),
        }
    )
    return


@app.cell
def _():
    mo.md(r"""
    ## Where this comes from

    * Gerstner, Kistler, Naud, Paninski: *Neuronal Dynamics*, 2014, section 1.3: integrate-and-fire neurons.
    * Cao, Chen, Khosla: Spiking deep convolutional neural networks, IJCV 2015: a ReLU as such a neuron.
    * Rueckauer et al., Frontiers in Neuroscience 2017, section 2.2: reset by subtraction and its error.
    * Bu et al., AAAI 2022: the initial potential of half a threshold.

    **Next**: 2. From weights to spikes.
    """)
    return


if __name__ == "__main__":
    app.run()
