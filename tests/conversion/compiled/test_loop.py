"""A compiled loop does what Brian2's own numpy target does: the same spikes and the same state, to the bit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from typing import Any

import brian2
import numpy as np
import pytest
from brian2 import Clock, Network, NetworkOperation, NeuronGroup, PoissonGroup, Quantity, ms
from hypothesis import Phase, given, reject, settings
from hypothesis import strategies as st
from scipy import stats

from conversion.brian.groups import SCHEDULE, initialise, make_group
from conversion.compiled import GroupLoop, compilation
from models.neurons import NEURONS as SHIPPED
from models.neurons import (
    Neuron,
    integrate_and_fire,
    leaky_integrate_and_fire,
    phase_coded,
    signed_integrate_and_fire,
)

SIZE = 700  # not a multiple of a part
DRIVE = "drive : Hz (constant)\nv_th : 1 (constant)"
ADAPTIVE = Neuron(
    equations=f"dv/dt = drive - (v + w) / tau_m : 1\ndw/dt = -w / tau_w : 1\n{DRIVE}",
    threshold="v >= v_th", reset="v -= v_th\nw += b", source="", method="exponential_euler",
    initial={"v_th": "1.0", "v": "0", "w": "0"}, parameters={"tau_m": 20 * ms, "tau_w": 80 * ms, "b": 0.2},
)  # fmt: skip
IN_MILLIVOLTS = ("lif_mv", "lif_relative_refractory", "adaptive_threshold", "alif", "qif", "izhikevich_ch")
EXPONENTIAL = ("eif", "adex_adapting")
NEURONS = {
    "if": integrate_and_fire(),
    "if, refractory, hard reset": integrate_and_fire(refractory=3 * ms, reset="zero"),
    "if, clamped": integrate_and_fire(v_min=-0.1),
    "lif": leaky_integrate_and_fire(20 * ms),
    "lif, refractory": leaky_integrate_and_fire(20 * ms, refractory=3 * ms),
    "signed": signed_integrate_and_fire(),
    "phase": phase_coded(),
    "adaptive": ADAPTIVE,
    **{name: SHIPPED[name]() for name in IN_MILLIVOLTS},
}


def run(group: Any, steps: int, *others: Any, loop: int) -> list[np.ndarray]:
    """Which neurons spike in each step, by Brian2 or by a loop of so many parts."""
    seen: list[np.ndarray] = []
    space = group.variables["_spikespace"]
    look = NetworkOperation(
        lambda: seen.append(space.get_value()[: space.get_value()[-1]].copy()), clock=group.clock, when="end"
    )
    objects = [group, *others, look] + ([GroupLoop(group, SCHEDULE, loop)] if loop else [])
    network = Network(*objects)
    network.schedule = SCHEDULE
    with np.errstate(all="ignore"):
        network.run(steps * group.clock.dt, namespace={})
    return seen


def state_of(group: Any) -> dict[str, np.ndarray]:
    names = [name for name, v in group.variables.items() if getattr(v, "array", False) and v.size == len(group)]
    return {name: group.variables[name].get_value().copy() for name in names}


def driven(neuron: Neuron, dt: Quantity = 1 * ms) -> NeuronGroup:
    """Neurons in their initial state, each with a drive of its own, of both signs."""
    group = make_group("group", neuron, SIZE, Clock(dt, name="network_clock"))
    initialise(group, neuron)
    group.variables["drive"].set_value(np.linspace(-100, 400, SIZE) * float(neuron.current_unit))
    if "alpha" in group.variables:
        group.variables["alpha"].set_value(np.linspace(0, 1, SIZE))
    return group


def both(neuron: Neuron, steps: int, dt: Quantity = 1 * ms) -> tuple[list, list]:
    """Spikes of every step and the final state, by Brian2 and by the loop."""
    found = []
    for loop in (0, 1):
        group = driven(neuron, dt)
        found.append((run(group, steps, loop=loop), state_of(group)))
    return found[0], found[1]


@cache
def by_brian2(name: str) -> tuple[list, dict]:
    """Spikes of 120 steps and the final state."""
    group = driven(NEURONS[name])
    return run(group, 120, loop=0), state_of(group)


@pytest.mark.parametrize("parts", [1, 3])
@pytest.mark.parametrize("name", NEURONS)
def test_the_models_of_the_study_are_equal_to_the_bit(name: str, parts: int) -> None:
    theirs, their_state = by_brian2(name)
    group = driven(NEURONS[name])
    ours, our_state = run(group, 120, loop=parts), state_of(group)
    assert sum(map(len, theirs)) > 1000
    for a, b in zip(theirs, ours, strict=True):
        np.testing.assert_array_equal(a, b)
    for variable, values in their_state.items():
        np.testing.assert_array_equal(values, our_state[variable], err_msg=variable)


@pytest.mark.parametrize("name", EXPONENTIAL)
def test_an_exponential_in_32_bits_differs_by_its_last_bits_alone(name: str) -> None:
    """NumPy's and ours round differently; of 700 neurons and 600 steps hardly any spikes in another step."""
    (theirs, _), (ours, _) = both(SHIPPED[name](), 600, 0.1 * ms)
    spikes = sum(map(len, theirs))
    assert spikes > 500
    assert sum(len(np.setxor1d(a, b)) for a, b in zip(theirs, ours, strict=True)) <= 0.01 * spikes


# Equations as hypothesis writes them

NAMES = ["v", "w", "g", "p", "tau", "0.5", "2", "3.7"]
leaves = st.sampled_from(NAMES)
binary = st.sampled_from(["+", "-", "*"])


def expressions() -> st.SearchStrategy[str]:
    def wider(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
        compared = st.tuples(inner, st.sampled_from(["<", ">=", ">"]), inner).map(lambda c: f"({c[0]} {c[1]} {c[2]})")
        conditions = st.one_of(
            compared, st.tuples(compared, st.sampled_from(["and", "or"]), compared).map(lambda c: f"({' '.join(c)})"),
            compared.map(lambda c: f"(not {c})"),
        )  # fmt: skip
        return st.one_of(
            st.tuples(inner, binary, inner).map(lambda e: f"({' '.join(e)})"),
            conditions.map(lambda c: f"int({c})"),
            inner.map(lambda e: f"(-{e})"),
            inner.map(lambda e: f"({e}) / (1.5 + abs({e}))"),
            inner.map(lambda e: f"clip({e}, -1, 2.5)"),
            inner.map(lambda e: f"sqrt(abs({e}))"),
            inner.map(lambda e: f"({e})**2"),
        )

    return st.recursive(leaves, wider, max_leaves=6)


equations = st.fixed_dictionaries(
    {name: expressions() for name in ("dv", "dw", "threshold", "reset_v", "reset_w", "update", "sub")}
    | {"refractory": st.sampled_from([False, 2 * ms]), "flagged": st.booleans()}
)


@settings(max_examples=3, deadline=None, phases=(Phase.generate,))
@given(equations)
def test_random_equations_are_equal_to_the_bit(code: Mapping[str, Any]) -> None:
    require_equal(code)


@pytest.mark.slow
@settings(max_examples=60, deadline=None, phases=(Phase.generate,))
@given(equations)
def test_many_random_equations_are_equal_to_the_bit(code: Mapping[str, Any]) -> None:
    require_equal(code)


def require_equal(code: Mapping[str, Any]) -> None:
    """Run twelve steps of a group of these equations by Brian2 and by a loop."""
    flag = " (unless refractory)" if code["flagged"] and code["refractory"] else ""
    model = f"""
    dv/dt = (clip({code["dv"]} + sub, -5, 5) - v) / (5*ms) : 1{flag}
    dw/dt = (clip({code["dw"]}, -5, 5) - w) / (7*ms) : 1
    sub = {code["sub"]} : 1
    g : 1 (constant)
    p : 1 (shared, constant)
    """
    found = []
    for loop in (0, 1, 2):
        group = NeuronGroup(
            SIZE, model, threshold=f"v > 0.3 * ({code['threshold']})",
            reset=f"v = {code['reset_v']}\nw += {code['reset_w']}",
            refractory=code["refractory"], method="euler", dtype=np.float32, clock=Clock(1 * ms, name="c"),
            namespace={"tau": 0.7, "ms": ms}, name="group",
        )  # fmt: skip
        group.run_regularly(f"w = clip({code['update']}, -3, 3)", when="after_resets", clock=group.clock)
        group.g_, group.p_ = np.linspace(-2, 2, SIZE), 1.3
        group.v_ = np.linspace(-3, 3, SIZE)
        try:
            spikes = run(group, 12, loop=loop)
        except brian2.BrianObjectException:
            assert not loop, "by Brian2 they run"
            reject()  # such as conditions within conditions
        found.append((spikes, state_of(group)))
    (theirs, their_state), *others = found
    for ours, our_state in others:
        for a, b in zip(theirs, ours, strict=True):
            np.testing.assert_array_equal(a, b)
        for name in ("v", "w"):
            np.testing.assert_array_equal(their_state[name], our_state[name])


# Random numbers


def poisson(size: int, rates: np.ndarray, steps: int, seed: int, first: int = 0, parts: int = 1) -> np.ndarray:
    """Spikes (steps, size) of a Poisson group."""
    group = PoissonGroup(size, rates * brian2.Hz, clock=Clock(1 * ms, name="c"), name="input", namespace={})
    loop = GroupLoop(group, SCHEDULE, parts)
    loop.seed(seed)
    loop.numbers[:] = first + np.arange(size)
    rows = []
    space = group.variables["_spikespace"]
    look = NetworkOperation(
        lambda: rows.append(np.isin(np.arange(size), space.get_value()[: space.get_value()[-1]])),
        clock=group.clock, when="end",
    )  # fmt: skip
    Network(group, loop, look).run(steps * ms, namespace={})
    return np.array(rows)


def test_poisson_rates_have_their_mean_and_variance() -> None:
    rates = np.linspace(0, 1000, 500)
    spikes = poisson(500, rates, 4000, seed=1)
    p = rates / 1000
    error = (spikes.mean(axis=0) - p) / np.sqrt(np.maximum(p * (1 - p), 1e-12) / 4000)
    assert not spikes[:, 0].any()
    assert spikes[:, -1].all()
    assert abs(np.mean(error[1:-1] ** 2) - 1) < 0.2
    assert stats.kstest(error[1:-1], "norm").pvalue > 1e-3


def test_poisson_spikes_are_independent_over_neurons_steps_and_seeds() -> None:
    rates = np.full(300, 300.0)
    spikes = poisson(300, rates, 3000, seed=1).astype(float) - 0.3
    others = poisson(300, rates, 3000, seed=2).astype(float) - 0.3
    deviation = 0.21 / np.sqrt(spikes.size)
    for product in (
        spikes[1:] * spikes[:-1], spikes[7:] * spikes[:-7],
        spikes[:, 1:] * spikes[:, :-1], spikes[:, 28:] * spikes[:, :-28],
        spikes[1:, 1:] * spikes[:-1, :-1], spikes * others,
    ):  # fmt: skip
        assert abs(product.mean()) < 4 * deviation
    counts = spikes.reshape(100, 30, 300).sum(axis=1)
    assert abs(counts.var() / (30 * 0.21) - 1) < 0.05


def test_random_numbers_belong_to_the_number_of_a_neuron() -> None:
    whole = poisson(600, np.full(600, 300.0), 50, seed=3)
    part = poisson(200, np.full(200, 300.0), 50, seed=3, first=400)
    np.testing.assert_array_equal(whole[:, 400:], part)
    np.testing.assert_array_equal(whole, poisson(600, np.full(600, 300.0), 50, seed=3, parts=2))


def test_noise_has_the_variance_of_an_ornstein_uhlenbeck_process() -> None:
    """In the long run sigma^2 / 2, in steps of a tenth of tau by the Euler-Maruyama method sigma^2 / (2 - dt / tau)."""
    group = NeuronGroup(
        20000, "dv/dt = -v / tau + sigma * xi * tau**-0.5 : 1", threshold="v > 100", reset="v = 0", method="euler",
        clock=Clock(1 * ms, name="c"), namespace={"tau": 10 * ms, "sigma": 0.5}, dtype=np.float32, name="group",
    )  # fmt: skip
    brian2.seed(0)
    run(group, 200, loop=1)
    v = np.asarray(group.v)
    assert abs(v.mean()) < 4 * v.std() / np.sqrt(v.size)
    assert abs(v.var() / (0.25 / 1.9) - 1) < 4 * np.sqrt(2 / v.size)
    assert stats.kstest(v / v.std(), "norm").pvalue > 1e-3


# What no loop can do


def test_functions_of_the_user_run_by_brian2() -> None:
    @brian2.check_units(x=1, result=1)
    def triple(x):
        return 3 * x

    neuron = replace(
        integrate_and_fire(), threshold="triple(v) >= v_th", parameters={"triple": triple}, refractory=0 * ms
    )
    (theirs, their_state), (ours, our_state) = both(neuron, 20)
    assert sum(map(len, theirs)) > 100
    np.testing.assert_array_equal(np.concatenate(theirs), np.concatenate(ours))
    np.testing.assert_array_equal(their_state["v"], our_state["v"])


def test_shared_variables_that_change_are_computed_in_the_order_of_the_code() -> None:
    """A shared variable grows before the thresholds and is read by them and by the next state update."""
    found = []
    for loop in (0, 2):
        group = NeuronGroup(
            SIZE, "dv/dt = s / (10*ms) : 1\ns : 1 (shared)", threshold="v > s", reset="v = 0", method="euler",
            clock=Clock(1 * ms, name="c"), dtype=np.float32, namespace={"ms": ms}, name="group",
        )  # fmt: skip
        group.run_regularly("s = s + 0.01", when="before_thresholds", clock=group.clock)
        group.v_, group.s_ = np.linspace(0, 1, SIZE), 0.5
        found.append((run(group, 30, loop=loop), state_of(group)["v"]))
    assert sum(map(len, found[0][0])) > 100
    np.testing.assert_array_equal(np.concatenate(found[0][0]), np.concatenate(found[1][0]))
    np.testing.assert_array_equal(found[0][1], found[1][1])


def test_other_parameters_and_refractory_periods_need_no_other_code() -> None:
    """A sweep compiles once."""
    before = compilation._compiled.cache_info().currsize
    for tau_m, refractory in ((10 * ms, 2 * ms), (20 * ms, 2 * ms), (20 * ms, 3 * ms)):
        run(driven(leaky_integrate_and_fire(tau_m, refractory=refractory, reset="zero", v_min=-0.3)), 1, loop=True)
    assert compilation._compiled.cache_info().currsize - before == 1


@pytest.mark.parametrize("threshold", ["t > 2.5 * ms", "t > 2.5 * ms and v > 0.5"])
def test_a_condition_on_the_time_alone_holds_for_all_neurons_at_once(threshold: str) -> None:
    neuron = replace(integrate_and_fire(), threshold=threshold, parameters={"ms": ms})
    (theirs, _), (ours, _) = both(neuron, 5)
    assert [len(a) for a in theirs[:3]] == [0, 0, 0]
    assert sum(map(len, theirs)) > 100
    np.testing.assert_array_equal(np.concatenate(theirs), np.concatenate(ours))
