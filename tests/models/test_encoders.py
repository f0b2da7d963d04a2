"""Encoders only hold numbers; what they do is tested in tests/conversion/test_simulate.py."""

from __future__ import annotations

from dataclasses import FrozenInstanceError

import numpy as np
import pytest
from brian2 import Hz, have_same_dimensions

from models.encoders import ConstantCurrent, Poisson, SpikeTrains


@pytest.mark.parametrize("encoder", [Poisson(), ConstantCurrent(), SpikeTrains(np.zeros((3, 2, 4), bool))])
def test_the_value_one_stands_for_a_thousand_hertz_unless_told(encoder) -> None:
    assert have_same_dimensions(encoder.max_rate, Hz)
    assert float(encoder.max_rate) == 1000
    with pytest.raises(FrozenInstanceError):
        encoder.max_rate = 5 * Hz
