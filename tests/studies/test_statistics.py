"""Statistics worked by hand or done by SciPy and scikit-learn, and how often a simulated truth is covered."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import r2_score

from studies.statistics import interval, paired_interval, pareto_front, r_squared, settling_time, wilson_interval


@pytest.mark.parametrize(("right", "n"), [(0, 5), (5, 5), (857, 1000), (1, 14), (9933, 10000)])
def test_wilson_is_scipys(right, n):
    expected = stats.binomtest(right, n).proportion_ci(method="wilson")
    assert wilson_interval(right / n, n) == pytest.approx((expected.low, expected.high), abs=1e-12)


def test_wilson_between_two_counts_lies_between_theirs():
    low, middle, high = (wilson_interval(right / 20, 20) for right in (17, 17.5, 18))
    assert low < middle < high
    assert low[1] < middle[1] < high[1]


def test_paired_interval_worked_by_hand():
    """100 images: 80 both, 10 only the ANN, 4 only the SNN, 6 neither. With half an image each: 10.5 - 4.5 = 6 of 102.

    SE = sqrt(10.5 + 4.5 - 6² / 102) / 102 = sqrt(14.64706) / 102 = 0.0375211. The answers differ in 14 images if the
    neither agree, so that nothing is given away.
    """
    low, high = paired_interval(0.84, 0.90, 0.86, 100)
    assert (low + high) / 2 == pytest.approx(6 / 102)
    assert (high - low) / 2 == pytest.approx(1.959964 * 0.0375211, rel=1e-5)


def test_paired_interval_of_a_textbook_table():
    """Agresti's ratings of a prime minister, 1,600 people: 794, 150, 86, 570; a difference of 0.04 in 0.02 to 0.06."""
    low, high = paired_interval(880 / 1600, 944 / 1600, 1 - 236 / 1600, 1600)
    assert (round(low, 2), round(high, 2)) == (0.02, 0.06)
    assert (high - low) / 2 == pytest.approx(1.96 * 0.0095, abs=2e-4)


def test_disagreement_in_wrong_answers_only_widens_it():
    """The same table, and 3 of the 6 that neither knows answered differently."""
    narrow, wide = paired_interval(0.84, 0.90, 0.86, 100), paired_interval(0.84, 0.90, 0.83, 100)
    assert wide[0] < narrow[0] < narrow[1] < wide[1]


def test_the_true_loss_is_covered_where_a_part_of_the_images_is_silent():
    """Ten classes, an ANN that knows 90 %, an SNN that does what it does but is silent in 30 %: a loss of 0.24."""
    rng, n, trials, covered = np.random.default_rng(0), 200, 4000, 0
    for _ in range(trials):
        right, silent = rng.random(n) < 0.9, rng.random(n) < 0.3
        accuracy, agreement = np.where(silent, 0.1, right).mean(), np.where(silent, 0.1, 1.0).mean()
        low, high = paired_interval(accuracy, right.mean(), agreement, n)
        covered += low <= 0.3 * (0.9 - 0.1) <= high
    assert covered / trials >= 0.95 - 3 * math.sqrt(0.95 * 0.05 / trials)


def test_equal_answers_leave_the_two_added_images():
    """No pair differs: ± z / (n + 2), as the table of 1, 1 in 102 says."""
    assert paired_interval(0.9, 0.9, 1.0, 100) == pytest.approx((-1.959964 / 102, 1.959964 / 102))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ((1.2, 0.9, 0.9, 10), "accuracy is 1.2; it must be a share"),
        ((0.5, 0.9, 0.5, 0), "n is 0; it must be at least one image"),
        ((0.5, 0.9, 0.95, 10), "agreement is 0.95; accuracies 0.5 and 0.9 allow 0.6 at most"),
    ],
)
def test_impossible_values_are_named(values, message):
    with pytest.raises(ValueError, match=message):
        paired_interval(*values)


@pytest.mark.parametrize("cells", [(0.80, 0.05, 0.04, 0.11), (0.97, 0.01, 0.005, 0.015), (0.5, 0.2, 0.1, 0.2)])
def test_the_true_loss_is_covered(cells):
    """Drawn 4,000 times: 95 % or more, less three standard errors of that share; half of the wrong pairs differ."""
    rng, n, trials = np.random.default_rng(0), 200, 4000
    counts = rng.multinomial(n, cells, trials)
    differing = counts[:, 1] + counts[:, 2] + rng.binomial(counts[:, 3], 0.5)
    covered = 0
    for (both, ann, snn, _), other in zip(counts, differing, strict=True):
        low, high = paired_interval((both + snn) / n, (both + ann) / n, 1 - other / n, n)
        covered += low <= cells[1] - cells[2] <= high
    assert covered / trials >= 0.95 - 3 * math.sqrt(0.95 * 0.05 / trials)


def test_wilson_covers_the_true_share():
    """Exactly, over all outcomes: on average over shares the coverage is close to 95 %."""
    n, shares = 50, np.linspace(0.05, 0.95, 91)
    intervals = np.array([wilson_interval(k / n, n) for k in range(n + 1)])
    coverage = [
        float(stats.binom.pmf(np.flatnonzero((intervals[:, 0] <= p) & (p <= intervals[:, 1])), n, p).sum())
        for p in shares
    ]
    assert np.mean(coverage) == pytest.approx(0.95, abs=0.01)


def test_interval_is_students():
    low, high = interval(np.array([1.0, 2.0, 3.0]))
    assert (low, high) == pytest.approx((2 - 4.302653 / math.sqrt(3), 2 + 4.302653 / math.sqrt(3)))
    assert interval(np.array([2.0])) == (2.0, 2.0)


@pytest.mark.parametrize(
    ("values", "expected"),
    [([0.1, 0.9, 0.9], 2.0), ([0.9, 0.1, 0.9], 3.0), ([0.9, 0.9, 0.9], 1.0), ([0.9, 0.9, 0.8], math.nan)],
)
def test_settling_time_is_when_the_level_is_kept(values, expected):
    assert settling_time(np.array([1.0, 2.0, 3.0]), np.array(values), 0.9) == pytest.approx(expected, nan_ok=True)


def test_nothing_settles_beside_what_is_no_number():
    times = np.array([1.0, 2.0, 3.0])
    assert math.isnan(settling_time(times, np.ones(3), math.nan))
    assert math.isnan(settling_time(times, np.array([1.0, 1.0, math.nan]), 0.5))
    assert settling_time(times, np.array([math.nan, 1.0, 1.0]), 0.5) == 2


def test_r_squared():
    observed = np.array([1.0, 2.0, 3.0])
    assert r_squared(observed, observed) == 1
    assert r_squared(np.array([1.0, 2.0, 4.0]), observed) == pytest.approx(1 - 1 / 2)
    assert r_squared(np.full(3, 2.0), observed) == 0
    assert math.isnan(r_squared(observed, np.ones(3)))
    rng = np.random.default_rng(0)
    predicted, observed = rng.normal(size=50), rng.normal(size=50)
    assert r_squared(predicted, observed) == pytest.approx(r2_score(observed, predicted))


def test_pareto_front_by_hand():
    cost, quality = np.array([1, 2, 2, 3, 4, 4, 0]), np.array([0.2, 0.5, 0.4, 0.5, 0.9, 0.9, 0.0])
    assert list(pareto_front(cost, quality)) == [True, True, False, False, True, True, True]


def test_pareto_front_is_what_no_other_point_dominates():
    rng = np.random.default_rng(3)
    cost, quality = rng.integers(0, 12, 60), rng.integers(0, 12, 60)
    for index, on_front in enumerate(pareto_front(cost, quality)):
        rivals = [(c, q) for c, q in zip(cost, quality, strict=True) if c <= cost[index] and q >= quality[index]]
        assert on_front == all((c, q) == (cost[index], quality[index]) for c, q in rivals)
