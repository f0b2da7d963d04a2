"""Operations against a loop over every pixel of every window."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from conversion.plan import make_plan
from models.encoders import Burst, ConstantCurrent, Phase, Poisson
from models.graph import INPUT, LINEAR, Add, AvgPool2d, Concat, Conv2d, Dense, Flatten, Graph
from studies.measure.energy import ann_energy_nj, energies, operations


def reads(size: int, kernel: int, stride: int, padding: int, dilation: int, n_out: int) -> int:
    """How often a window along one axis reads a pixel that is not padding."""
    pairs = itertools.product(range(n_out), range(kernel))
    return sum(0 <= position * stride - padding + tap * dilation < size for position, tap in pairs)


def branching() -> Graph:
    conv1 = Conv2d(name="conv1", inputs=(INPUT,), weight=np.ones((4, 2, 3, 2), np.float32), padding=(1, 0, 1, 1))
    conv2 = Conv2d(
        name="conv2", inputs=("conv1",), weight=np.ones((4, 2, 3, 3), np.float32),
        padding=(2, 2, 2, 2), dilation=(2, 2), groups=2,
    )  # fmt: skip
    add = Add(name="add", inputs=("conv2", "conv1"))
    pool = AvgPool2d(name="pool", inputs=("add",), kernel=(2, 2), stride=(2, 2))
    concat = Concat(name="concat", inputs=("pool", "pool"))
    flat = Flatten(name="flat", inputs=("concat",))
    fc = Dense(name="fc", inputs=("flat",), weight=np.ones((3, 8 * 3 * 3), np.float32), activation=LINEAR)
    return Graph((2, 6, 6), (conv1, conv2, add, pool, concat, flat, fc))


CONV1 = reads(6, 3, 1, 1, 1, 6) * reads(6, 2, 1, 0, 1, 6) * 4 * 2
CONV2 = reads(6, 3, 1, 2, 2, 6) ** 2 * 4 * 2


STEPS = np.array([1, 10, 100])


def test_operations_are_exact_at_borders():
    assert dict(operations(make_plan(branching(), signed=True))) == {
        "conv1": (CONV1, 0),
        "conv2": (CONV2, 0),
        "add": (0, 2 * 4 * 36),
        "pool": (0, 4 * 36),
        "concat": (0, 0),
        "fc": (3 * 72, 0),
    }


def test_padding_makes_a_difference():
    assert CONV1 < 4 * 2 * 3 * 2 * 36


def test_energy_of_the_ann():
    expected = 4.6e-3 * (CONV1 + CONV2 + 216) + 0.9e-3 * (288 + 144)
    assert ann_energy_nj(branching()) == pytest.approx(expected)


def input_energy_nj(encoder):
    spent = energies(branching(), encoder, STEPS)
    assert spent["ann_energy_nj"] == ann_energy_nj(branching())
    return spent["input_energy_nj"]


def test_constant_current_pays_for_the_first_layer_once():
    assert input_energy_nj(ConstantCurrent()) == pytest.approx(np.full(3, 4.6e-3 * CONV1))


def test_spikes_alone_pay_for_poisson_and_phase_coded_input():
    for encoder in (Poisson(), Phase()):
        np.testing.assert_array_equal(input_energy_nj(encoder), [0, 0, 0])


def test_an_izhikevich_neuron_per_input_computes_in_every_step():
    """Per half step of v: two MACs for the square, an AC for -u, a MAC to add it; then two MACs for u."""
    per_step = 2 * 6 * 6 * (4.6e-3 * (3 + 3 + 2) + 0.9e-3)
    assert input_energy_nj(Burst()) == pytest.approx(per_step * STEPS)
