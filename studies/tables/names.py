"""What papers call the values of keys that the code and the studies call otherwise; studies/NAMES.md has both."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

import pandas as pd

NAMES: Mapping[str, Mapping[str, str]] = {
    "encoder": {
        "poisson": "Poisson",
        "on_off": "ON and OFF neurons",
        "constant": "constant current",
        "phase": "phase code",
        "burst": "bursts",
    },
    "normalization": {
        "model": "model-based",
        "data": "data-based",
        "percentile": "percentile",
        "channel": "channel-wise",
        "spike": "Spike-Norm",
    },
    "neuron": {
        "if": "IF",
        "lif": "LIF",
        "signed": "signed, imbalanced threshold",
        "balanced": "signed, balanced thresholds",
        "lif_mv": "LIF in mV",
        "lif_relative_refractory": "LIF, relative refractory",
        "alif": "adaptive LIF",
        "adaptive_threshold": "LIF, adaptive threshold",
        "qif": "QIF",
        "eif": "EIF",
        "adex_tonic": "AdEx, tonic",
        "adex_adapting": "AdEx, adapting",
        "adex_bursting": "AdEx, bursting",
        "adex_initial_burst": "AdEx, initial burst",
        "izhikevich_rs": "Izhikevich, RS",
        "izhikevich_fs": "Izhikevich, FS",
        "izhikevich_ch": "Izhikevich, CH",
        "izhikevich_ib": "Izhikevich, IB",
        "izhikevich_lts": "Izhikevich, LTS",
    },
    "reset": {"zero": "to zero", "subtract": "by subtraction"},
    "v_init": {"half": "half a threshold"},
    "current_offset": {"half": "half a threshold"},
    "pooling": {"spiking": "pooling neurons", "folded": "folded into weights"},
    "readout": {
        "count": "spike count",
        "potential": "membrane potential",
        "first_spike": "first spike",
        "k_th_spike": "k-th spike",
    },
    "matching": {"fi": "f-I curve"},
}
ARCHITECTURES: Mapping[str, str] = {"convnet": "ConvNet", "mlp": "fully connected", "cnn": "CNN", "vgg": "VGG"}
TRAINED: Mapping[str, str] = {"mnist": "MNIST", "cifar": "CIFAR-10"}
DETAILS: Mapping[str, str] = {
    "bn": " with batch normalisation",
    "half": " of half width",
    "no_decay": ", no weight decay",
    "relu": " with ReLU",
    "abs": " with absolute values",
    "nobias": " without biases",
    "tailored": ", tailored",
    "untailored": ", not tailored",
    "twin": ", twin",
}
NUMBERED: Mapping[str, str] = {"steps": ", trained for {} steps", "seed": ", seed {}"}
_DETAIL = rf"_({'|'.join(DETAILS)}|(?:{'|'.join(NUMBERED)})\d+)"
_SHIPPED = re.compile(rf"({'|'.join(TRAINED)})_([a-z]+)(\d*)((?:{_DETAIL})*)")


def name_of(column: str, value: Any) -> str:
    """A value of a column as figures and tables show it.

    Parameters
    ----------
    column : str
        Of a table that a study left.
    value : str or number
        One without a name of its own is called as it is.
    """
    if isinstance(value, str):
        if column == "model":
            return _network(value)
        return NAMES.get(column, {}).get(value) or (value.rpartition(":")[2] if column == "neuron" else value)
    if column == "v_min" and value == -math.inf:
        return "none"
    if pd.isna(value):
        return ""
    return f"{value:,.10g}".replace("inf", "∞")


def _network(name: str) -> str:
    """Of a shipped network: what it is, and what it was trained on."""
    found = _SHIPPED.fullmatch(name)
    if found is None:
        return {"digit_detector": "digit detector"}.get(name, name)
    dataset, kind, depth, more, _ = found.groups()
    called = ARCHITECTURES.get(kind, "ResNet") + (f"-{depth}" if depth else "")
    return f"{called}{''.join(map(_detail, re.findall(_DETAIL, more)))} ({TRAINED[dataset]})"


def _detail(word: str) -> str:
    kind = word.rstrip("0123456789")
    return NUMBERED[kind].format(word.removeprefix(kind)) if kind in NUMBERED else DETAILS[word]
