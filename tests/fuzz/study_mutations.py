"""What may be wrong with a study's file: one change each, of its keys, values, sections, figures, or bytes."""

from __future__ import annotations

import datetime
import json
from typing import Any

import numpy as np

from studies.declare import KEYS, TABLES
from studies.declare.effects import MATTERS_ONLY_IF
from studies.declare.figure_spec import LOGS, PLOTS
from tests.fuzz.outcome import pick

Rng = np.random.Generator
Content = dict[str, Any]

PLAUSIBLE: dict[str, list] = {
    "model": ["tiny.onnx", "mnist_convnet", "nothing.onnx", "study.toml", "."],
    "dataset": ["digits8", "digits", "nothing.npz", "mnist", "tiny.onnx"],
    "images": [1, 2, 5, 12], "calibration": [1, 10, 30], "calibration_dataset": ["digits8"],
    "calibration_ms": [5, 10], "duration_ms": [5, 10, 20, 20.0], "dt_ms": [1, 0.5, 0.1, 2], "max_rate_hz": [200,
    1000.0],
    "encoder": ["poisson", "on_off", "constant", "phase", "burst"], "phase_period": [1, 4, 8, 16],
    "neuron": ["if", "lif", "signed", "balanced"], "tau_m_ms": [1, 20, float("inf")], "refractory_ms": [0, 1, 2.5],
    "reset": ["subtract", "zero"], "v_th": [0.5, 1, 2.0], "v_min": [0, -1.5, float("-inf")],
    "v_init": ["zero", "half", "uniform"], "negative_slope": ["keep", "drop"], "current_offset": ["none", "half"],
    "residual_ms": [0, 5, 10], "normalization": ["none", "data", "percentile", "channel", "model", "spike"],
    "percentile": [50, 99.9, 100], "headroom": [0.5, 1, 2.0], "threshold_factor": [0.7, 1],
    "bias_calibration": ["none", "mean"],
    "pooling": ["spiking", "folded"], "connectivity": ["shared", "synapses"],
    "readout": ["count", "potential", "first_spike", "k_th_spike"], "readout_k": [1, 3], "readout_ms": [1, 5, 20],
    "evaluation_delay_ms": [0, 5, 10], "memory_gb": [0.1, 1], "seed": [0, 1, 2, 2**63 - 1],
}  # fmt: skip
STRANGE = (
    0, -1, 10**30, -(2**63), 1e308, 1e-308, -0.0, float("nan"), float("inf"), float("-inf"), True, False, "", " ",
    "ä→☃",
    "a\nb", "\u202e", "../up", "/etc/passwd", "x" * 500, "%s{0}", "\x1b[2J", [], [[1]], [1, "a"], {}, {"a": {"b": 1}},
    "C:\\x", datetime.date(2020, 1, 1), datetime.time(1, 2), "nan", "1", "~", "*", "\0", 2**63, 3, 0.1, 1e9, 1e15,
)  # fmt: skip
COLUMNS = tuple(
    {*TABLES["metrics"], *TABLES["layers"], *TABLES["boxes"], "seed", "normalization", "variant", "nothing"}
)
SECTIONS = ("fixed", "grid", "quick")


def value(content: Content, rng: Rng) -> None:
    """Another value of a key of [fixed], plausible or strange."""
    section, key = _section(content, "fixed"), pick(rng, list(KEYS))
    section[key] = _any(key, rng)


def several_values(content: Content, rng: Rng) -> None:
    """Plausible values that may not go together."""
    for _ in range(int(rng.integers(1, 4))):
        key = pick(rng, [key for key in KEYS if key not in ("model", "dataset")])
        _section(content, "fixed")[key] = pick(rng, PLAUSIBLE[key])
        for other, wanted in MATTERS_ONLY_IF.get(key, {}).items():
            _section(content, "fixed").setdefault(other, pick(rng, wanted))


def grid(content: Content, rng: Rng) -> None:
    key = pick(rng, list(KEYS))
    values = [_any(key, rng) for _ in range(int(rng.integers(0, 4)))]
    _section(content, pick(rng, ["grid", "grid", "quick"]))[key] = pick(rng, [values, values, values, _any(key, rng)])
    if rng.random() < 0.7:
        _section(content, "fixed").pop(key, None)


def without(content: Content, rng: Rng) -> None:
    """A key or a section left out."""
    section = content.get(pick(rng, SECTIONS), content)
    if isinstance(section, dict) and section:
        del section[pick(rng, list(section))]


def misspelt(content: Content, rng: Rng) -> None:
    section = pick(rng, [content, *(_section(content, name) for name in SECTIONS)])
    if section:
        key = pick(rng, list(section))
        new = pick(rng, [key.upper(), key[:-1], f"{key}s", "", "a.b", "ä", key.replace("_", "-"), "a\nb", "\x1b"])
        section[new] = section[key]
        if rng.random() < 0.8:
            section.pop(key)


def moved(content: Content, rng: Rng) -> None:
    """A key in another section, or in two."""
    here, there = _section(content, pick(rng, SECTIONS)), _section(content, pick(rng, SECTIONS))
    if here:
        key = pick(rng, list(here))
        there[key] = here[key] if rng.random() < 0.5 else [here[key]]
        if rng.random() < 0.5:
            here.pop(key, None)


def another_kind(content: Content, rng: Rng) -> None:
    """Anything in the place of a section or a text."""
    content[pick(rng, ["title", "question", "fixed", "grid", "quick", "variants", "figures"])] = pick(rng, STRANGE)


def variants(content: Content, rng: Rng) -> None:
    made = []
    for name in ("one", "two", pick(rng, ["three", "one", "", "ä", "a\nb", 3])):
        keys = [pick(rng, list(KEYS)) for _ in range(int(rng.integers(0, 3)))]
        made.append({"name": name, **{key: _any(key, rng) for key in keys}})
    content["variants"] = made


def figure(content: Content, rng: Rng) -> None:
    """Fields of a figure, or one more figure."""
    figures = content.get("figures")
    if not (isinstance(figures, list) and figures and isinstance(figures[0], dict)) or rng.random() < 0.3:
        figures = content["figures"] = [{"name": "a", "plot": "lineplot", "x": "time_ms", "y": "accuracy"}]
    one = pick(rng, figures)
    for _ in range(int(rng.integers(1, 4))):
        key = pick(rng, ["name", "plot", "x", "y", "hue", "col", "table", "where", "ceiling", "theory", "log", "title"])
        fitting: dict[str, list] = {
            "plot": list(PLOTS), "table": list(TABLES), "log": list(LOGS), "where": [_where(rng)],
            "name": ["b", "a", "a/b", "..", "ä", "x" * 300], "title": ["$x", "$\\frac$", "a\nb", "%", "{x}", "t"],
        }  # fmt: skip
        one[key] = pick(rng, STRANGE) if rng.random() < 0.15 else pick(rng, fitting.get(key, list(COLUMNS)))
    if rng.random() < 0.2:
        figures.append(dict(one))


def figure_key(content: Content, rng: Rng) -> None:
    figures = content.setdefault("figures", [])
    if isinstance(figures, list):
        figures.append(pick(rng, [{}, 1, "a", [], {"name": "x"}, {"nothing": 1}, {"name": "x", "plot": "lineplot"}]))


def deep(content: Content, rng: Rng) -> None:
    """Values within values."""
    nested: Any = 1
    for _ in range(int(pick(rng, [3, 50, 100]))):
        nested = [nested] if rng.random() < 0.5 else {"a": nested}
    pick(rng, [content, _section(content, "fixed"), _section(content, "grid")])[
        pick(rng, ["seed", "v_th", "title"])
    ] = nested


def large(content: Content, rng: Rng) -> None:
    """Numbers for which no one has the time or the memory."""
    key = pick(rng, ["duration_ms", "dt_ms", "images", "calibration", "seed", "readout_ms", "memory_gb", "residual_ms"])
    _section(content, "fixed")[key] = pick(rng, [1e-9, 1e-300, 1e6, 1e9, 1e12, 1e300, 10**9, 10**18])
    if rng.random() < 0.3:
        _section(content, "grid")["v_th"] = [0.1 * n for n in range(1, int(pick(rng, [30, 1000])))]
        _section(content, "grid")["tau_m_ms"] = list(range(1, 30))
        _section(content, "fixed")["neuron"] = "lif"


MUTATIONS = (
    value, value, value, several_values, several_values, several_values, grid, grid, without, misspelt, moved,
    another_kind,
    variants, figure, figure, figure, figure_key, deep, large,
)  # fmt: skip


def as_toml(content: Content) -> str:
    """A file with a section a line."""
    return "".join(f"{json.dumps(key, ensure_ascii=False)} = {_inline(value)}\n" for key, value in content.items())


def damaged(text: bytes, rng: Rng) -> bytes:
    """Bytes or lines cut off, changed, doubled or exchanged."""
    how, lines = rng.random(), text.splitlines(keepends=True)
    if how < 0.2:
        return text[: int(rng.integers(len(text) + 1))]
    if how < 0.5:
        changed = bytearray(text)
        for at in rng.integers(len(text), size=int(rng.integers(1, 4))):
            changed[int(at)] = int(pick(rng, [rng.integers(256), *b'"=[]{}.,\n#\\\x00\xff']))
        return bytes(changed)
    if how < 0.8:
        a, b = (int(rng.integers(len(lines))) for _ in range(2))
        lines[a] = pick(rng, [lines[b], lines[a] + lines[b], b"", lines[a].replace(b"=", b"= ="), b"[" + lines[a]])
        return b"".join(lines)
    return pick(
        rng,
        [b"", b"\xff\xfe" + text, text.replace(b"\n", b"\r\n"), text.replace(b"\n", b"\r"), b"a = " + b"[" * 5000,
        text + text,
         b"a" + b".a" * 3000 + b" = 1\n" + text, text + b"\xe4", text.decode().encode("utf-16"),
         b"x = 1" + b"0" * 5000],
    )  # fmt: skip


def _any(key: str, rng: Rng) -> Any:
    return pick(rng, STRANGE) if rng.random() < 0.2 else pick(rng, PLAUSIBLE[key])


def _where(rng: Rng) -> Any:
    values = [
        "end",
        5,
        5.0,
        20,
        [5, 10],
        ["data", "none"],
        "data",
        0,
        [],
        [[1]],
        {},
        {"a": 1},
        float("nan"),
        True,
        10**30,
    ]
    return {pick(rng, COLUMNS): pick(rng, values) for _ in range(int(rng.integers(0, 3)))}


def _section(content: Content, name: str) -> Content:
    section = content.setdefault(name, {})
    return section if isinstance(section, dict) else {}


def _inline(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(k, ensure_ascii=False)} = {_inline(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_inline, value)) + "]"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    return str(value).lower() if isinstance(value, bool) else str(value)
