"""Every lesson runs from its first cell to its last, and what it says beside a figure is what is measured."""

from __future__ import annotations

import re

import matplotlib.pyplot as plt
import numpy as np
import pytest

from models.paths import ROOT
from tests.notebooks.pages import LESSONS, run, texts


def last(table, column, by="accuracy"):
    """What a table says at the end of its window, for each level of a column."""
    return table.groupby(column)[by].last()


def test_there_are_six_and_together_they_take_two_hours():
    minutes = [int(re.search(r"\*(\d+) minutes", texts(path))[1]) for path in LESSONS]
    assert len(minutes) == 6
    assert sum(minutes) == 120


@pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)
def test_each_says_what_one_will_know_and_has_exercises_with_solutions_and_sources(path):
    said = texts(path)
    assert "**You will know**" in said
    assert "## Where this comes from" in said
    exercises = re.search(r"## Exercises\n(.*)", said, re.DOTALL)[1]
    asked = re.findall(r"^ *(\d)\. ", exercises.partition("Solution 1")[0], re.MULTILINE)
    assert re.findall(r"^Solution (\d)$", said, re.MULTILINE) == asked
    for name in re.findall(r"`(results/[\w/.]+|notebooks/[\w/.]+|studies/[\w/.]+)`", said):
        assert (ROOT / name).exists(), name


@pytest.mark.parametrize("number", range(1, 7))
def test_it_runs_and_leaves_no_figure_open(number):
    assert run(number)
    assert plt.get_fignums() == []


def test_one_neuron_is_a_relu():
    names = run(1)
    np.testing.assert_allclose(names["rates"], np.maximum(0, names["currents"]), atol=0.5)
    np.testing.assert_allclose(names["counted"] / names["steps"].value, names["predicted"])
    potential, spikes = names["one_neuron"](current=300.0, theta=1.0, steps=10)
    np.testing.assert_allclose(potential, [0.3, 0.6, 0.9, 0.2, 0.5, 0.8, 0.1, 0.4, 0.7, 0.0], atol=1e-9)
    assert spikes.tolist() == [3, 6, 9]


def test_the_spiking_network_says_what_the_ann_says():
    names = run(2)
    answers = names["recording"].output_counts[-1].argmax(axis=1)
    assert (answers == names["ann_answers"]).mean() >= 0.9
    assert list(names["one"].rasters) == list(names["populations"])
    np.testing.assert_allclose(names["largest"].loc[["conv1", "conv2", "fc"], "scaled"], 1, rtol=1e-5)


def test_a_threshold_is_a_normalisation_spike_by_spike():
    names = run(3)
    for name, counts in names["raised"].spike_counts.items():
        np.testing.assert_array_equal(counts, names["divided"].spike_counts[name])
    accuracy = last(names["table"], "normalization")
    assert accuracy["model"] == pytest.approx(0.1)
    assert accuracy[["data", "percentile", "channel"]].min() > 0.9
    largest = [names["trained"][name].max() for name in ("fc1", "fc2", "fc3")]
    assert min(largest) > 1


def test_a_leak_and_a_reset_do_what_their_formulas_say():
    names = run(4)
    np.testing.assert_allclose(names["rates"], names["predicted"], rtol=0.05, atol=3)
    np.testing.assert_allclose(names["counted"]["zero"], 1 / np.ceil(1 / names["inputs"] - 1e-9), atol=2e-3)
    np.testing.assert_allclose(names["counted"]["subtract"], names["inputs"], atol=2e-3)
    silent = names["silent"]
    assert silent["measured"] == pytest.approx(silent["predicted"], abs=2e-3)
    assert silent["predicted"] > silent["without a leak"] + 0.01
    assert last(names["table"], "neuron").to_dict() == {
        "leaky, as chosen": pytest.approx(0.1),
        "no leak": pytest.approx(0.95, abs=0.03),
    }
    mended = names["measure"]("mended", names["leaky_integrate_and_fire"](5 * names["ms"], v_th=0.4))
    assert mended["accuracy"].iloc[-1] == pytest.approx(0.96, abs=0.02)


def test_a_phase_code_answers_first():
    names = run(5)
    table = names["table"]
    at_8_ms = table[table["time_ms"].round(3) == 8].set_index("encoder")["accuracy"]
    assert at_8_ms["phase"] > 0.9 > at_8_ms["Poisson"]
    assert at_8_ms.idxmin() == "burst"
    assert names["steps"] == {"Poisson, x = 1/2": 2**14, "regular rate": 2**8, "phase": 8}


def test_matching_mends_a_leaky_network_and_synapses_bring_their_charge():
    names = run(6)
    accuracy = last(names["matching"], "neuron")
    assert accuracy["5 ms, as it is"] == pytest.approx(0.1)
    assert accuracy["5 ms, matched"] > 0.9
    for name, trace in names["traces"].items():
        np.testing.assert_allclose(trace, names["closed"][name], atol=1e-5)
        assert trace[-1] == pytest.approx(0.8, abs=1e-3)
    full, rates = names["full"], names["rates"]["matched"]
    assert (rates[0], rates[-1]) == (0, pytest.approx(full, rel=0.01))
    assert names["rates"]["as it is"][:6].max() == 0
