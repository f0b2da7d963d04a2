"""The lab: choose a network, a digit and settings, and see what the spikes do. `make lab` opens it in a browser."""

import marimo

__generated_with = "0.25.2"
app = marimo.App(width="full", app_title="Brianize: the lab", css_file="lab.css")

with app.setup:
    from pathlib import Path

    import marimo as mo
    from wigglystuff import Paint

    from models.neurons import NEURONS, SYNAPSES
    from studies import lab
    from studies.declare import NORMALIZATIONS


@app.cell
def _():
    kinds = mo.ui.dictionary(
        {
            "model": mo.ui.dropdown(list(lab.shipped()), value="mnist_convnet", label="network"),
            "digit": mo.ui.dropdown(["by number", "drawn"], value="by number", label="image"),
            "normalization": mo.ui.dropdown(NORMALIZATIONS, value="data", label="normalisation"),
            "neuron": mo.ui.dropdown(list(NEURONS), value="if", label="neuron"),
            "reset": mo.ui.dropdown({"subtract": "subtract", "to zero": "zero"}, value="subtract", label="reset"),
            "v_init": mo.ui.dropdown(["zero", "half", "uniform"], value="zero", label="first potential"),
            "matching": mo.ui.dropdown(["none", "fi", "calibrated"], value="none", label="matching"),
            "encoder": mo.ui.dropdown(["poisson", "constant", "phase", "burst"], value="poisson", label="code"),
            "synapse": mo.ui.dropdown(["delta", *SYNAPSES], value="delta", label="synapse"),
            "dt_ms": mo.ui.dropdown({"1 ms": 1.0, "0.5 ms": 0.5, "0.1 ms": 0.1}, value="1 ms", label="time step"),
        }
    )
    own = mo.ui.dictionary(
        {
            "model": mo.ui.text(placeholder="mine.onnx", label="a network of my own"),
            "dataset": mo.ui.text(placeholder="mine.npz", label="its images"),
        }
    )
    return kinds, own


@app.cell
def _():
    def slider(start, stop, step, value, label):
        return mo.ui.slider(start, stop, step, value=value, label=label, show_value=True)

    amounts = mo.ui.dictionary(
        {
            "image": slider(0, lab.IMAGES - 1, 1, 0, "number"),
            "percentile": slider(90.0, 100.0, 0.1, 99.9, "percentile"),
            "v_th": slider(0.1, 4.0, 0.1, 1.0, "threshold"),
            "tau_m_ms": slider(1.0, 100.0, 1.0, 20.0, "leak: τ (ms)"),
            "refractory_ms": slider(0.0, 10.0, 1.0, 0.0, "pause (ms)"),
            "noise": slider(0.0, 1.0, 0.05, 0.0, "noise (/√ms)"),
            "max_rate_hz": slider(50.0, 1000.0, 50.0, 1000.0, "rate (Hz)"),
            "phase_period": slider(2, 12, 1, 8, "period (steps)"),
            "tau_s_ms": slider(1.0, 20.0, 1.0, 5.0, "synapse: τ (ms)"),
            "delay_ms": slider(0.0, 10.0, 1.0, 0.0, "delay (ms)"),
            "duration_ms": slider(10.0, 200.0, 10.0, 100.0, "window (ms)"),
            "seed": slider(0, 20, 1, 0, "chance: seed"),
        }
    )
    paint = mo.ui.anywidget(Paint(width=248, height=220, color_picker=False, brush=False))
    return amounts, paint


@app.cell
def _(amounts, kinds, own):
    choices = {**kinds.value, **amounts.value, "dataset": lab.shipped()[kinds.value["model"]], "calibration": 200}
    if own.value["model"]:
        choices["model"] = str(Path(own.value["model"]).resolve())
    if own.value["dataset"]:
        is_file = own.value["dataset"].endswith(".npz")
        choices["dataset"] = str(Path(own.value["dataset"]).resolve()) if is_file else own.value["dataset"]
    settings = lab.settings_of(choices)
    return (settings,)


@app.cell
def _(amounts, keep, kinds, let_go, own, paint):
    _used = lab.in_use({**kinds.value, **dict.fromkeys(amounts.elements, 1)})

    def _group(title, *names):
        every = {**kinds.elements, **amounts.elements}
        return mo.vstack([mo.Html(f"<b>{title}</b>"), *(every[name] for name in names if name in _used)], gap=0.25)

    _image = amounts.elements["image"] if kinds.value["digit"] == "by number" else paint
    mo.sidebar(
        mo.vstack(
            [
                mo.md("### The lab"),
                mo.hstack([keep, let_go], justify="start"),
                _group("Network and image", "model", "digit"),
                _image,
                _group("From weights to spikes", "normalization", "percentile", "v_th", "v_init", "reset"),
                _group("Neuron", "neuron", "tau_m_ms", "refractory_ms", "matching", "noise"),
                _group("Input", "encoder", "max_rate_hz", "phase_period"),
                _group("Connections", "synapse", "tau_s_ms", "delay_ms"),
                _group("Time and chance", "duration_ms", "dt_ms", "seed"),
                mo.accordion({"Files of one's own": mo.vstack(list(own.elements.values()))}),
            ],
            gap=0.75,
        ),
        width="19rem",
    )
    return


@app.cell
def _():
    kept, set_kept = mo.state({})
    return kept, set_kept


@app.cell
def _():
    keep = mo.ui.run_button(label="Keep as B", tooltip="Show these settings beside what is chosen next")
    let_go = mo.ui.run_button(label="Let B go")
    return keep, let_go


@app.cell
def _(amounts, kinds, paint):
    if kinds.value["digit"] == "by number":
        drawn, wrong = amounts.value["image"], ""
    else:
        drawn, wrong = lab.tried(lambda: lab.digit_of(paint.widget.get_pil()))
    return drawn, wrong


@app.cell
def _(drawn, settings, wrong):
    found, said = (None, wrong) if wrong else lab.tried(lab.answer, settings, drawn)
    return found, said


@app.cell
def _(found, keep, let_go, set_kept, settings):
    if keep.value and found is not None:
        set_kept({"B": (settings, found)})
    if let_go.value:
        set_kept({})
    return


@app.cell
def _(found, kept, settings):
    shown = ({} if found is None else {"A": (settings, found)}) | kept()
    return (shown,)


@app.cell
def _():
    until = mo.ui.slider(2, 100, 2, value=100, label="time shown (%)", show_value=True)
    view = mo.ui.tabs(dict.fromkeys(["Spikes", "Potentials", "Rates", "100 images", "As a study"], ""))
    return until, view


@app.cell
def _(said, shown, until):
    def _say(name, found):
        lead = f"**{name}.** " if len(shown) > 1 else ""
        return mo.md(lead + lab.verdict(found, until.value / 100 * found.condition.duration_ms))

    _wrong = [mo.callout(mo.md(said), kind="warn")] if said else []
    mo.vstack([*_wrong, mo.hstack([_say(name, found) for name, (_, found) in shown.items()], widths="equal")])
    return


@app.cell
def _(shown, until):
    def _row(name, found):
        ms = until.value / 100 * found.condition.duration_ms
        narrow, wide = ("37%", "62%") if len(shown) == 1 else ("24%", "75%")
        image = mo.image(lab.picture(lab.draw_input, found, ms), alt=f"{name}: image and input spikes", width=narrow)
        evidence = mo.image(lab.picture(lab.draw_evidence, found, ms), alt=f"{name}: evidence", width=wide)
        return mo.hstack([image, evidence], align="center", gap=0)

    mo.hstack([_row(name, found) for name, (_, found) in shown.items()], widths="equal")
    return


@app.cell
def _(until, view):
    mo.hstack([view, until], justify="space-between", align="center")
    return


@app.cell
def _(shown, until, view):
    def _draw(name, found):
        ms = until.value / 100 * found.condition.duration_ms
        draw = {"Spikes": lab.draw_layers, "Potentials": lab.draw_potentials, "Rates": lab.draw_agreement}[view.value]
        alt = f"{name}: {view.value.lower()}"
        return mo.image(lab.picture(draw, found, ms), alt=alt, width="100%" if len(shown) > 1 else "82%")

    mo.stop(view.value not in ("Spikes", "Potentials", "Rates"))
    mo.hstack([_draw(name, found) for name, (_, found) in shown.items()], widths="equal")
    return


@app.cell
def _():
    run = mo.ui.run_button(label="Show the 100 images")
    measured, set_measured = mo.state([])
    return measured, run, set_measured


@app.cell
def _(run, set_measured, shown):
    if run.value:
        set_measured([(name, settings, *lab.tried(lab.measure, settings)) for name, (settings, _) in shown.items()])
    return


@app.cell
def _(measured, run, shown, view):
    mo.stop(view.value != "100 images")
    _current = [(name, *rest) for name, settings, *rest in measured() if shown.get(name, [None])[0] == settings]
    tables = {name: table for name, table, _ in _current if table is not None}
    _parts = [run, *(mo.callout(mo.md(said), kind="warn") for *_, said in _current if said)]
    if tables:
        _rows = mo.Html(lab.readable(lab.summary(tables)).to_html(border=0, classes="summary"))
        _parts += [_rows, mo.image(lab.picture(lab.draw_accuracies, tables), alt="accuracy over time", width="70%")]
    mo.vstack(_parts)
    return


@app.cell
def _(shown, view):
    mo.stop(view.value != "As a study")
    text = lab.study_text({name: settings for name, (settings, _) in shown.items()})
    mo.vstack(
        [
            mo.md("Save this text, then `brianize run my_study.toml` repeats what is seen of the 100 images."),
            mo.ui.text_area(text, label="my_study.toml", rows=20, full_width=True),
        ]
    )
    return


if __name__ == "__main__":
    app.run()
