"""What Brian2's functions are for one number, compiled by numba, and of which kind their results are.

`exp` of 32-bit numbers and the random numbers are our own: numba calls a library for the former, once per neuron, and
has a state for the latter that nobody seeds. A random number here is a hash of a key, the neuron and the place in the
code, so that it does not depend on the order in which neurons are visited.

These functions, and those of C that are called for `sin` and the like, round their last bit otherwise than NumPy does.
All else is equal to what Brian2's numpy target computes, to the bit.
"""

from __future__ import annotations

import math

import numba
import numpy as np

LARGEST, SMALLEST = np.float32(88.72283), np.float32(-104)  # exp of more is infinite in 32 bits, of less is 0
LN2_HIGH, LN2_LOW = np.float32(0.693359375), np.float32(-2.12194440e-4)
LOG2_E, HALF, ONE = np.float32(1.4426950408889634), np.float32(0.5), np.float32(1)
A0, A1, A2 = np.float32(1.9875691500e-4), np.float32(1.3981999507e-3), np.float32(8.3334519073e-3)
A3, A4, A5 = np.float32(4.1665795894e-2), np.float32(1.6666665459e-1), np.float32(5.0000001201e-1)
LOGARITHM = tuple(map(np.float32, (
    7.0376836292e-2, -1.1514610310e-1, 1.1676998740e-1, -1.2420140846e-1, 1.4249322787e-1, -1.6668057665e-1,
    2.0000714765e-1, -2.4999993993e-1, 3.3333331174e-1,
)))  # fmt: skip
CENTRE = tuple(map(np.float32, (
    2.81022636e-8, 3.43273939e-7, -3.5233877e-6, -4.39150654e-6, 2.1858087e-4, -1.25372503e-3, -4.17768164e-3,
    2.46640727e-1, 1.50140941,
)))  # fmt: skip
TAIL = tuple(map(np.float32, (
    -2.00214257e-4, 1.00950558e-4, 1.34934322e-3, -3.67342844e-3, 5.73950773e-3, -7.6224613e-3, 9.43887047e-3,
    1.00167406, 2.83297682,
)))  # fmt: skip
TWO_AND_A_HALF, THREE, FIVE, SQRT2 = map(np.float32, (2.5, 3, 5, math.sqrt(2)))
TO_UNIT = 2.0**-53
NEURON, PLACE = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xD1342543DE82EF95)  # odd: no two counters meet

inline = numba.njit(inline="always", error_model="numpy")


@inline
def exp32(x):
    """exp of a 32-bit number, to its last bit but one: 2^k times a polynomial (Cephes' expf), without a branch."""
    small = min(max(x, SMALLEST), LARGEST)
    k = np.floor(small * LOG2_E + HALF)
    r = small - k * LN2_HIGH - k * LN2_LOW
    p = ((((A0 * r + A1) * r + A2) * r + A3) * r + A4) * r + A5
    p = p * (r * r) + r + ONE
    half = np.int32(k) >> np.int32(1)  # 2^k in two factors, either of which is a normal number
    value = p * _power_of_two(half) * _power_of_two(np.int32(k) - half)
    if x > LARGEST:
        value = np.float32(np.inf)
    return value if x == x else x


@inline
def _power_of_two(k):
    return np.int32((k + np.int32(127)) << np.int32(23)).view(np.float32)


@inline
def hash_of(key, neuron, place):
    """64 bits of a counter: the finaliser of SplitMix64 (Steele et al., OOPSLA 2014), twice."""
    x = np.uint64(key) + np.uint64(neuron) * NEURON + np.uint64(place) * PLACE
    for _ in range(2):
        x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        x = x ^ (x >> np.uint64(31))
    return x


@inline
def rand(key, neuron, place):
    """Uniform in [0, 1)."""
    return np.float64(hash_of(key, neuron, place) >> np.uint64(11)) * TO_UNIT


@inline
def randn(key, neuron, place):
    """Standard normal: the inverse of the distribution function, by Giles (GPU Computing Gems, 2011), in 32 bits."""
    x = 2 * rand(key, neuron, place) - (1 - TO_UNIT)  # symmetric, within (-1, 1)
    w = -_log32(np.float32((1 - x) * (1 + x)))
    centre, tail = _horner(CENTRE, w - TWO_AND_A_HALF), _horner(TAIL, np.float32(math.sqrt(w)) - THREE)
    return np.float64(SQRT2 * (centre if w < FIVE else tail)) * x


@inline
def _log32(x):
    """log of a positive 32-bit number, to its last bit but one (Cephes' logf)."""
    bits = np.float32(x).view(np.int32)
    k = (bits - np.int32(0x3F3504F3)) >> np.int32(23)
    f = np.int32(bits - (k << np.int32(23))).view(np.float32) - ONE
    p = _horner(LOGARITHM, f) * f * f * f + np.float32(k) * LN2_LOW - HALF * f * f
    return f + p + np.float32(k) * LN2_HIGH


@inline
def _horner(coefficients, x):
    p = coefficients[0]
    for i in range(1, 9):
        p = p * x + coefficients[i]
    return p


@inline
def timestep(t, dt):
    """The step in which time t lies, as `brian2.core.functions.timestep`."""
    return np.int64((t + 1e-3 * dt) / dt)


@inline
def exprel(x):
    """(exp(x) - 1) / x, and 1 where x is 0."""
    return math.expm1(x) / x if abs(x) > 1e-16 else 1.0


@inline
def clip(x, low, high):
    """As `numpy.clip`: not a number stays what it is."""
    raised = low if x < low else x
    return high if raised > high else raised


@inline
def floor(x):
    return np.int32(math.floor(x))


@inline
def ceil(x):
    return np.int32(math.ceil(x))


@numba.njit(error_model="numpy")
def gather(is_so, eights, start, indices, found):
    """Append `start + i` of all true `is_so[i]` to `indices`, of which `found` are there; return how many there are.

    `eights` are the same bytes as words of eight, most of which are 0.
    """
    for word in range(eights.size):
        if eights[word]:
            for i in range(8 * word, 8 * word + 8):
                indices[found] = start + i  # the last place holds the number, in the end
                found += is_so[i]
    return found
