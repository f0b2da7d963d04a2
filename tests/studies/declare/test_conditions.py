"""Every key refuses what it does not take, in one line that names the key, the value and what is valid."""

from __future__ import annotations

from dataclasses import fields

import pytest

from studies.declare.conditions import KEYS, Condition, condition, readout_steps
from studies.declare.errors import StudyError
from studies.tables.labels import LABELS

BASE = {"model": "m.onnx", "dataset": "digits8", "images": 5}


def made(**values) -> Condition:
    return condition(BASE | values)


@pytest.mark.parametrize(
    ("key", "value", "valid"),
    [
        ("images", 0, "whole number from 1"),
        ("images", 2.5, "whole number"),
        ("images", True, "whole number"),
        ("model", "", "shipped network"),
        ("dataset", 3, "npz"),
        ("calibration", -1, "whole number from 1"),
        ("calibration_dataset", 1, "name of a dataset"),
        ("duration_ms", "100", "above 0, in ms"),
        ("duration_ms", float("inf"), "above 0, in ms"),
        ("dt_ms", 0, "above 0, in ms"),
        ("encoder", "rate", "'poisson', 'on_off', 'constant', 'phase', 'burst'"),
        ("phase_period", 17, "whole number from 1 to 16"),
        ("max_rate_hz", -5, "in Hz"),
        ("neuron", "my neuron", "'my_neurons.py:adaptive'"),
        ("neuron", "my_neurons.py", "the place of a function"),
        ("synapse", "nmda", "'delta', 'exponential'"),
        ("delay", "3", "with its unit, as text, such as '3 ms'"),
        ("delay", 3, "with its unit, as text"),
        ("delay_sd", "-1 ms", "from 0 on"),
        ("jitter", "inf ms", "from 0 on"),
        ("membrane_noise", "loud", "such as '0.1 / ms**0.5'"),
        ("background", 100, "such as '100 Hz'"),
        ("background_weight", float("nan"), "a finite number"),
        ("release_probability", 0, "above 0, at most 1"),
        ("dead_share", 1.5, "from 0 to 1"),
        ("lost_share", -0.5, "from 0 to 1"),
        ("weight_noise", -0.1, "from 0 on"),
        ("weight_bits", 33, "from 2 to 16, or 32"),
        ("network_seed", -1, "from 0 to"),
        ("tau_m_ms", 0, "in ms"),
        ("refractory_ms", -1, "from 0 on"),
        ("reset", "soft", "'subtract', 'zero'"),
        ("v_th", 0, "above 0"),
        ("residual_ms", -1, "from 0 on"),
        ("v_min", 0.1, "up to 0; -inf is no clamp"),
        ("v_min", float("nan"), "up to 0"),
        ("v_init", "full", "'zero', 'half', 'uniform'"),
        ("normalization", "batch", "'none', 'model', 'data', 'percentile', 'channel', 'spike'"),
        ("percentile", 101, "(0, 100]"),
        ("negative_slope", "leaky", "'keep', 'drop'"),
        ("calibration_ms", 0, "above 0, in ms"),
        ("headroom", 0, "above 0"),
        ("headroom", float("inf"), "above 0"),
        ("current_offset", True, "'none', 'half'"),
        ("bias_calibration", "potential", "'none', 'mean'"),
        ("pooling", "max", "'spiking', 'folded'"),
        ("matching", "f-I", "'none', 'fi'"),
        ("onset_share", -0.1, "from 0 on"),
        ("connectivity", "dense", "'shared', 'synapses'"),
        ("readout", "rate", "'count', 'potential', 'first_spike', 'k_th_spike'"),
        ("readout_k", 0, "whole number from 1"),
        ("readout_ms", -1, "in ms"),
        ("evaluation_delay_ms", -1, "from 0 on"),
        ("memory_gb", float("nan"), "in GB"),
        ("scale", 0, "one number or a list of one per channel, above 0"),
        ("scale", "255", "above 0"),
        ("mean", float("nan"), "one number or a list of one per channel, finite"),
        ("mean", [0.4, True], "finite"),
        ("mean", [], "one number or a list"),
        ("std", [0.2, 0], "above 0"),
        ("std", [[0.2]], "above 0"),
        ("seed", -1, "from 0 to"),
        ("seed", "a", "from 0 to"),
    ],
)
def test_wrong_value_is_named(key, value, valid):
    with pytest.raises(StudyError) as error:
        made(**{key: value})
    assert str(error.value).startswith(f"{key} is {value!r}; it must be ")
    assert valid in str(error.value)


PER_CHANNEL = {"scale", "mean", "std"}


def test_one_number_or_one_per_channel():
    assert made(mean=1, std=[0.5]).mean == 1.0
    assert made(mean=1, std=[0.5]).std == 0.5
    assert made(mean=[0, 0.5, 1]).mean == (0.0, 0.5, 1.0)
    assert made().scale is made().mean is made().std is None
    assert hash(made(mean=[0, 1])) == hash(made(mean=(0.0, 1.0)))


def test_every_other_key_refuses_a_list():
    for key in KEYS.keys() - PER_CHANNEL:
        with pytest.raises(StudyError, match=f"^{key} is "):
            made(**{key: [1]})


def test_unknown_key_suggests_the_nearest():
    with pytest.raises(
        StudyError, match=r"unknown key 'normalisation'; did you mean 'normalization'\? \(known: model, "
    ):
        made(normalisation="data")


def test_missing_key():
    with pytest.raises(StudyError, match="dataset is missing"):
        condition({"model": "m.onnx", "images": 5})


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"neuron": "lif"}, "tau_m_ms is missing; neuron 'lif' needs"),
        ({"duration_ms": 10, "dt_ms": 3}, "duration_ms is 10; it must be a whole number of steps of dt_ms = 3"),
        ({"readout_ms": 2.5}, "readout_ms is 2.5; it must be a whole number of steps"),
        ({"readout_ms": 0.5}, "readout_ms is 0.5; it must be a whole number of steps"),
        ({"readout_ms": 200}, "readout_ms is 200; it must be at most duration_ms = 100"),
        ({"residual_ms": 1.5}, "residual_ms is 1.5; it must be a whole number of steps of dt_ms = 1"),
        ({"evaluation_delay_ms": 0.5}, "evaluation_delay_ms is 0.5; it must be a whole number of steps of dt_ms = 1"),
        ({"evaluation_delay_ms": 100}, "evaluation_delay_ms is 100; it must be less than duration_ms = 100"),
        ({"residual_ms": 8, "reset": "zero"}, "reset is 'zero'; with residual_ms = 8 it must be 'subtract'"),
        ({"residual_ms": 8, "neuron": "lif", "tau_m_ms": 5}, "neuron is 'lif'; with residual_ms = 8 it must be 'if'"),
        ({"residual_ms": 8, "encoder": "phase"}, "encoder is 'phase'; with residual_ms = 8 it must be another"),
        (
            {"max_rate_hz": 1001},
            "max_rate_hz is 1001; with dt_ms = 1 a Poisson input spikes once a step at most, 1000 Hz",
        ),
        ({"encoder": "on_off", "max_rate_hz": 600, "dt_ms": 2}, "max_rate_hz is 600; with dt_ms = 2 a Poisson input"),
        ({"encoder": "burst", "dt_ms": 2}, "dt_ms is 2; the Izhikevich neurons of encoder 'burst' need at most 1 ms"),
        ({"encoder": "phase", "neuron": "lif", "tau_m_ms": 5}, "neuron is 'lif'; with encoder 'phase' it must be 'if'"),
        ({"neuron": "signed", "reset": "zero"}, "reset is 'zero'; with neuron 'signed' it must be 'subtract'"),
        ({"neuron": "signed", "refractory_ms": 1}, r"refractory_ms is 1\.0; with neuron 'signed' it must be 0"),
        ({"neuron": "signed", "v_min": 0}, r"v_min is 0\.0; with neuron 'signed' it must be -inf"),
        ({"encoder": "phase", "neuron": "signed"}, "neuron is 'signed'; with encoder 'phase' it must be 'if'"),
        (
            {"encoder": "phase", "normalization": "spike"},
            "normalization is 'spike'; Spike-Norm needs steps",
        ),
        (
            {"neuron": "signed", "normalization": "spike"},
            "normalization is 'spike' and neuron 'signed'; Spike-Norm looks at the positive input",
        ),
        ({"matching": "fi", "neuron": "signed"}, "matching is 'fi'; neuron is 'signed', which needs none"),
        ({"matching": "fi", "encoder": "phase"}, "matching is 'fi'; the neurons of encoder 'phase' have no rate"),
        ({"matching": "fi", "normalization": "spike"}, "matching is 'fi'; Spike-Norm moves the thresholds"),
        (
            {"matching": "fi", "current_offset": "half"},
            "current_offset is 'half'; with matching 'fi' it must be 'none'",
        ),
        ({"matching": "fi", "residual_ms": 8}, r"residual_ms is 8\.0; with matching 'fi' it must be 0"),
        ({"encoder": "phase", "reset": "zero"}, "reset is 'zero'; with encoder 'phase' it must be 'subtract'"),
        ({"encoder": "phase", "refractory_ms": 1}, r"refractory_ms is 1\.0; with encoder 'phase' it must be 0"),
    ],
)
def test_values_that_do_not_go_together(values, message):
    with pytest.raises(StudyError, match=message):
        made(**values)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"dt_ms": 1e-300}, "duration_ms is 100; it can be at most 10000000 steps of dt_ms = 1e-300"),
        ({"duration_ms": 1e12}, r"duration_ms is 1e\+12; it can be at most 10000000 steps of dt_ms = 1"),
        ({"residual_ms": 1e12}, "residual_ms is"),
        ({"v_th": 10**400}, "v_th is 10+; it must be a number above 0"),
    ],
)
def test_numbers_that_nobody_has_the_time_for(values, message):
    with pytest.raises(StudyError, match=message):
        made(**values)


def test_constant_current_may_be_faster_than_a_spike_a_step():
    assert made(encoder="constant", max_rate_hz=5000).max_rate_hz == 5000


def test_keys_without_effect_are_none():
    assert made(tau_m_ms=20, calibration=7, percentile=99) == made()
    assert made(phase_period=4, readout_k=2) == made()
    assert made(headroom=2) == made(normalization="none")
    assert made(normalization="model", headroom=2) == made(normalization="model")
    assert made(normalization="channel", headroom=2) != made(normalization="channel")
    assert made(normalization="channel", calibration_ms=9) == made(normalization="channel")
    assert made(normalization="spike", calibration_ms=9) != made(normalization="spike")
    assert made(neuron="signed", negative_slope="drop") == made(neuron="signed")
    assert made(negative_slope="drop") != made()
    assert made(bias_calibration="mean", calibration=7).calibration == 7
    assert made(encoder="phase", max_rate_hz=5) == made(encoder="phase", phase_period=8)
    assert made(encoder="burst").max_rate_hz is None
    assert made(onset_share=0.9) == made()
    assert made(matching="fi", onset_share=0.9) != made(matching="fi")
    assert made(readout="k_th_spike").readout_k == 3
    assert made(neuron="lif", tau_m_ms=20).tau_m_ms == 20
    for normalization in ("channel", "spike"):
        c = made(normalization=normalization, percentile=99, calibration=7)
        assert (c.percentile, c.calibration) == (99, 7)


def test_whole_numbers_and_fractions_are_the_same_condition():
    assert made(duration_ms=50) == made(duration_ms=50.0)
    assert isinstance(made(duration_ms=50).duration_ms, float)


@pytest.mark.parametrize(
    ("values", "steps"),
    [
        ({}, range(2, 101, 2)),
        ({"duration_ms": 20}, range(1, 21)),
        ({"readout_ms": 25, "dt_ms": 0.5}, [50, 100, 150, 200]),
        ({"readout_ms": 40}, [40, 80, 100]),
    ],
)
def test_readout_steps(values, steps):
    assert list(readout_steps(made(**values))) == list(steps)


def test_every_key_has_a_label():
    assert {key.name for key in fields(Condition)} - {"arguments"} <= LABELS.keys()
