"""Matching a neuron's f-I curve to a ReLU: a background current and a gain, without touching a weight.

A ReLU is a straight line from 0. A neuron with the f-I curve f fires from its onset I_0 on, and reaches the rate r that
stands for the activation 1 at f^-1(r). Let every neuron receive a constant background I_b, and let a spike of weight 1
bring it g. An input whose spikes have the rate r x, through a weight w, is on average the current g r w x, so that the
rate of the neuron is f(I_b + g r z) for the activation z that a ReLU would have before its threshold. With

    I_b = s I_0,    g = (f^-1(r) - I_b) / r

that is 0 up to the onset and r at z = 1; for s = 1 it leaves 0 at z = 0, as the ReLU does, and in between it is as
straight as f. A bias b is the current g r b, as is that of a presynaptic neuron that fires with the rate r b. The
output, read as spike counts, counts in the same rates; read as a potential, it only sums and needs no matching.

A neuron that sits at its onset is fired by the noise of its input although its activation is 0. How far below the onset
the background lies (s < 1) trades that for small activations that are lost.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from brian2 import Equations, Quantity, second
from brian2.utils.stringtools import get_identifiers
from numpy.typing import NDArray

from conversion.brian import measure_rates
from conversion.plan import ConversionError
from models.neurons import Neuron

WINDOW = 2 * second
SLOWEST = 8 / float(WINDOW)  # Hz: two spikes in half of the window are the least that is seen
POINTS, CLOSE_POINTS = 200, 1000
FACTORS = 2.0 ** np.arange(-20, 24, 1 / 8)  # of the current of activation 1 at gain 1, in which the onset is looked for


@dataclass(frozen=True)
class FICurve:
    """What was measured of a neuron between its onset and the rate of the activation 1.

    Parameters
    ----------
    onset, full : float
        The largest current at which it is silent, and the smallest at which it has that rate, in base units of `drive`.
    jump : float
        The rate just above the onset, as a share of that rate.
    bend : float
        How far the curve is from the straight line between the two, at most, as a share of that rate.
    """

    onset: float
    full: float
    jump: float
    bend: float


_measured: dict[tuple[Any, ...], FICurve] = {}


def fi_curve(neuron: Neuron, rate: float, dt: Quantity) -> FICurve:
    """Measure the f-I curve of a neuron up to a rate in Hz, once for equal equations and parameters.

    Raises
    ------
    ConversionError
        If its drive is no current into what its input raises, if it fires without any, or never that fast.
    """
    _require_a_drive(neuron)
    texts = (neuron.equations, neuron.threshold, neuron.reset, neuron.update, neuron.every_step, neuron.method)
    parameters = {name: value if callable(value) else float(value) for name, value in neuron.parameters.items()}
    numbers = (float(neuron.refractory), float(neuron.current_unit), rate, float(dt))
    key = (*texts, *neuron.initial.items(), *parameters.items(), *numbers)
    if key not in _measured:
        _measured[key] = _measure(neuron, rate, dt)
    return _measured[key]


def match_fi(neuron: Neuron, rate: float, dt: Quantity, onset_share: float = 1.0) -> Neuron:
    """The neuron with the background current and the gain that make its f-I curve that of a ReLU.

    Parameters
    ----------
    neuron : Neuron
        With a `drive`.
    rate : float
        The rate in Hz that stands for the activation 1.
    dt : Quantity
    onset_share : float
        The background as a share of the current at which the neuron begins to fire.

    Raises
    ------
    ConversionError
        As of `fi_curve`.
    """
    curve = fi_curve(neuron, rate, dt)
    background = onset_share * curve.onset
    gain = (curve.full - background) / rate / float(neuron.current_unit)
    return replace(
        neuron, background=background, input_unit=gain * neuron.input_unit, drive_unit=gain * neuron.current_unit
    )


def _require_a_drive(neuron: Neuron) -> None:
    """`drive` and what input raises have to act on the potential side by side, or the latter is the potential."""
    raised, potential = neuron.input_variable, neuron.potential or neuron.input_variable
    expressions = dict(Equations(neuron.equations).get_substituted_expressions())
    current = expressions.get(potential)
    names = set() if current is None else get_identifiers(current.code) | {potential}
    if not {"drive", raised} <= names:
        raise ConversionError(
            f"the f-I curve cannot be matched: {raised!r}, which input raises, has no differential equation with "
            f"`drive` in it, and does not stand beside `drive` in that of {potential!r}"
        )


def _measure(neuron: Neuron, rate: float, dt: Quantity) -> FICurve:
    """Look for the onset and the full rate among powers, then more closely between two of them each."""
    neuron = replace(neuron, background=0.0)
    currents = np.concatenate([[0.0], FACTORS * rate * float(neuron.current_unit)])
    rates = measure_rates(neuron, "drive", currents, dt, WINDOW)
    _require_rates(rates, rate)
    closer = [np.linspace(*between, CLOSE_POINTS) for between in _brackets(currents, rates, rate)]
    onsets, fulls = measure_rates(neuron, "drive", np.concatenate(closer), dt, WINDOW).reshape(2, -1)
    onset, full = _brackets(closer[0], onsets, rate)[0], _brackets(closer[1], fulls, rate)[1]
    between = np.linspace(onset[1], full[1], POINTS)
    rates = measure_rates(neuron, "drive", between, dt, WINDOW)
    start = onset[0]
    if rates[0] < SLOWEST:  # a curve that rises from 0: slower than what the window tells
        start = max(0.0, between[0] - rates[0] * (between[1] - between[0]) / max(rates[1] - rates[0], 1e-12))
    straight = (between - start) / (full[1] - start)
    return FICurve(start, full[1], float(rates[0] / rate), float(np.abs(rates / rate - straight).max()))


Between = tuple[float, float]


def _require_rates(rates: NDArray[np.float64], rate: float) -> None:
    """Raise unless a neuron is silent without a current, the first, and reaches a rate with some."""
    if rates[0] > 0:
        raise ConversionError("the f-I curve cannot be matched: the neuron fires without any current")
    if not _reached(rates, rate).any():
        raise ConversionError(
            f"the f-I curve cannot be matched: the neuron fires at {rates.max():.4g} Hz at most, and activation 1 "
            f"stands for {rate:.4g} Hz; lower that rate"
        )


def _brackets(currents: NDArray[np.float64], rates: NDArray[np.float64], rate: float) -> tuple[Between, Between]:
    """Between which two of rising currents a neuron begins to fire, and to fire at a rate."""
    return _step(currents, rates > 0), _step(currents, _reached(rates, rate))


def _reached(rates: NDArray[np.float64], rate: float) -> NDArray[np.bool_]:
    return rates >= rate * (1 - 1e-6)


def _step(currents: NDArray[np.float64], reached: NDArray[np.bool_]) -> Between:
    """The last current before something is reached for good, and the next one."""
    place = max(1, len(reached) - int(np.argmin(reached[::-1]))) if not reached.all() else 1
    place = min(place, len(currents) - 1)
    return float(currents[place - 1]), float(currents[place])
