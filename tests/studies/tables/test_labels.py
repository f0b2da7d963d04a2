"""Labels: every quantity that has a unit says it."""

from __future__ import annotations

import math
import re

import pytest

from models.neurons.named import NEURONS
from models.paths import WEIGHTS
from studies.declare.columns import SHARES
from studies.declare.conditions import KEYS
from studies.tables.labels import LABELS
from studies.tables.names import name_of

UNITS = {"_ms": "(ms)", "_hz": "(Hz)", "_nj": "(nJ)", "_gb": "(GB)"}


@pytest.mark.parametrize("column", [column for column in LABELS if column[-3:] in UNITS])
def test_a_label_has_the_unit_of_its_column(column: str) -> None:
    assert LABELS[column].endswith(UNITS[column[-3:]])


def test_no_two_columns_have_one_label() -> None:
    assert len(set(LABELS.values())) == len(LABELS)


@pytest.mark.parametrize("column", SHARES)
def test_shares_are_shown_in_percent(column: str) -> None:
    assert "%" in LABELS[column].rpartition("(")[2]


@pytest.mark.parametrize(
    ("column", "label"),
    [
        ("neuron.tau_m [ms]", "membrane time constant (ms)"),
        ("neuron.v_th_cv [1]", "spread of the threshold (coefficient of variation)"),
        ("neuron.delta_T [mV]", "delta_T (mV)"),
        ("membrane_noise [1/ms**0.5]", "membrane noise (1/√ms)"),
        ("delay [ms]", "delay of a spike (ms)"),
        ("v_th.conv1 [1]", "threshold of conv1"),
        ("delay.conv1 [ms]", "delay of a spike of conv1 (ms)"),
    ],
)
def test_arguments_are_called_as_papers_do_where_those_have_a_name(column: str, label: str) -> None:
    assert LABELS[column] == label


@pytest.mark.parametrize(
    ("column", "value", "name"),
    [
        ("model", "mnist_convnet", "ConvNet (MNIST)"),
        ("model", "cifar_resnet20_bn_no_decay", "ResNet-20 with batch normalisation, no weight decay (CIFAR-10)"),
        ("model", "cifar_resnet20_steps8", "ResNet-20, trained for 8 steps (CIFAR-10)"),
        ("model", "cifar_resnet8_no_decay_seed2", "ResNet-8, no weight decay, seed 2 (CIFAR-10)"),
        ("model", "nets/mine.onnx", "nets/mine.onnx"),
        ("encoder", "on_off", "ON and OFF neurons"),
        ("v_min", -math.inf, "none"),
        ("tau_m_ms", math.inf, "∞"),
        ("v_th", 0.125, "0.125"),
        ("network_seed", 3, "3"),
        ("variant", "poisson", "poisson"),
        ("neuron", "lif", "LIF"),
        ("neuron", "mine.py:adaptive", "adaptive"),
    ],
)
def test_values_are_called_as_papers_do(column: str, value, name: str) -> None:
    assert name_of(column, value) == name


@pytest.mark.parametrize("column", [column for column in KEYS if KEYS[column].metadata["valid"].startswith("one of")])
def test_every_choice_of_a_key_has_a_name_of_its_own(column: str) -> None:
    choices = re.findall(r"'([^']+)'", KEYS[column].metadata["valid"])
    names = [name_of(column, choice) for choice in choices]
    assert len(set(names)) == len(choices)
    assert not [name for name in names if "_" in name]


def test_every_shipped_neuron_and_network_has_a_name_of_its_own() -> None:
    for column, known in (("neuron", [*NEURONS]), ("model", [path.stem for path in WEIGHTS.glob("*.onnx")])):
        names = [name_of(column, name) for name in known]
        assert len(set(names)) == len(known)
        assert not [name for name in names if "_" in name]
