"""One condition: no key is accepted and ignored, and its files are checked before anything is simulated."""

from __future__ import annotations

import io
import math
from dataclasses import replace

import numpy as np
import onnx
import pytest
from brian2 import Hz, ms
from PIL import Image

from conversion.normalize.schemes import normalize
from conversion.normalize.spike_norm import balance_thresholds
from conversion.plan.populations import ConversionError
from conversion.settings import Simulation
from models.datasets.loading import load_dataset
from models.detection.yolo import Head, HeadError, metadata
from models.encoders import Poisson
from models.graph import Activation, Dense, Flatten, MaxPool2d, sequential
from models.neurons import integrate_and_fire
from models.onnx_io.running import activations
from models.onnx_io.writing import save
from models.paths import WEIGHTS
from studies.declare.columns import DETECTION_COLUMNS
from studies.declare.conditions import KEYS, condition
from studies.declare.errors import StudyError
from studies.measure.detection import output_scale
from studies.run import experiment
from studies.run.chance import say_accuracies
from studies.run.experiment import check_job, check_reach, prepare, rows_of
from studies.run.files import Job, fit
from studies.run.keys import key_of
from tests.studies.conftest import tiny_network

BASE = {
    "model": "tiny.onnx", "dataset": "digits8", "images": 6, "calibration": 20, "duration_ms": 24, "readout_ms": 4,
    "normalization": "percentile", "neuron": "lif", "tau_m_ms": 20, "readout": "k_th_spike", "readout_k": 3,
}  # fmt: skip
CHANGES = {
    "model": "other.onnx", "dataset": "some.npz", "images": 5, "calibration": 1, "calibration_dataset": "some.npz",
    "duration_ms": 28, "dt_ms": 0.5, "encoder": "constant", "max_rate_hz": 500, "neuron": "if", "tau_m_ms": 5,
    "refractory_ms": 3, "reset": "zero", "v_th": 0.7, "v_min": 0.0, "v_init": "half", "normalization": "none",
    "percentile": 50, "pooling": "folded", "readout": "first_spike", "readout_k": 2, "readout_ms": 8,
    "seed": 1, "current_offset": "half", "bias_calibration": "mean",
    "headroom": 3, "scale": 3, "mean": 0.2, "std": 0.5, "matching": "fi", "delay": "3 ms", "delay_sd": "2 ms",
    "jitter": "2 ms", "membrane_noise": "0.2 / ms**0.5", "background": "100 Hz", "release_probability": 0.5,
    "dead_share": 0.5, "lost_share": 0.5, "weight_noise": 0.5, "weight_bits": 2,
}  # fmt: skip


@pytest.fixture
def folder(study_file):
    folder = study_file.parent
    rng = np.random.default_rng(0)
    np.savez(folder / "some.npz", x=rng.random((60, 8, 8)) * 0.6, y=rng.integers(0, 10, 60))
    weight = rng.normal(0, 0.3, (10, 64)).astype(np.float32)
    layers = Flatten(name="flat", inputs=("",)), Dense(name="fc", inputs=("",), weight=weight)
    save(sequential((1, 8, 8), *layers), folder / "other.onnx")
    pooling = MaxPool2d(name="pool", inputs=("",), kernel=(2, 2), stride=(2, 2))
    fc = Dense(name="fc", inputs=("",), weight=weight[:, :16])
    save(sequential((1, 8, 8), pooling, layers[0], fc), folder / "max.onnx")
    return folder


def job(folder, **values) -> Job:
    return Job(condition({name: value for name, value in (BASE | values).items() if value is not None}), folder)


def rows(job: Job):
    (only,) = rows_of([job])
    return only


def test_changes_cover_every_key():
    others = {"connectivity", "phase_period", "negative_slope", "residual_ms", "calibration_ms", "evaluation_delay_ms"}
    others |= {"memory_gb", "onset_share", "synapse", "background_weight", "network_seed", "threshold_factor"}
    assert {*CHANGES, *others} == KEYS.keys()


def test_every_key_changes_the_rows(folder):
    base = repr(rows(job(folder)))
    assert repr(rows(job(folder))) == base
    for name, value in CHANGES.items():
        assert repr(rows(job(folder, **{name: value}))) != base, name


PAIRS = [
    {"synapse": "exponential", "synapse.tau_s": "5 ms"},
    {"synapse": "exponential", "synapse.tau_s": "10 ms"},
    {"synapse": "alpha", "synapse.tau_s": "5 ms"},
    {"synapse": "conductance", "synapse.tau_s": "5 ms"},
    {"synapse": "conductance", "synapse.tau_s": "5 ms", "synapse.tau_i": "10 ms"},
    {"background": "100 Hz", "background_weight": 0.1},
    {"background": "100 Hz", "background_weight": -0.1},
    {"dead_share": 0.5},
    {"dead_share": 0.5, "network_seed": 1},
    {"neuron.tau_m_cv": 0.5},
    {"neuron.v_th_cv": 0.5},
    {"v_th.fc": 0.5},
    {"neuron": "if", "tau_m_ms": None},
    {"neuron": "if", "tau_m_ms": None, "neuron.leak": "-50 Hz"},
    {"delay.input": "3 ms"},
    {"matching": "fi"},
    {"matching": "calibrated"},
]


def test_keys_that_go_with_others_change_the_rows(folder):
    seen = [repr(rows(job(folder, **pair))) for pair in [{}, *PAIRS]]
    assert len(set(seen)) == len(seen)


NEUTRAL = {
    "delay": "0 ms", "delay_sd": "0 ms", "jitter": "0 ms", "membrane_noise": "0 / ms**0.5", "background": "0 Hz",
    "release_probability": 1, "dead_share": 0, "lost_share": 0, "weight_noise": 0, "weight_bits": 32,
    "neuron.tau_m_cv": 0, "neuron.v_th_cv": 0, "synapse": "delta",
}  # fmt: skip


def test_neutral_values_change_nothing(folder):
    base = repr(rows(job(folder)))
    for name, value in NEUTRAL.items():
        assert repr(rows(job(folder, **{name: value}))) == base, name


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"synapse": "exponential"}, "synapse.tau_s is missing; synapse 'exponential' needs it"),
        ({"synapse": "exponential", "synapse.tau": "5 ms"}, "unknown argument of synapse 'exponential' 'tau'"),
        ({"synapse.tau_s": "5 ms"}, "synapse.tau_s is '5 ms', but synapse is 'delta'"),
        ({"synapse": "alpha", "synapse.tau_s": "5 mV"}, "synapse 'alpha': ValueError: tau_s is 5. mV"),
        ({"delay.nowhere": "1 ms"}, "delays name 'nowhere'; layers that send spikes"),
        ({"delay.input": "1 mV"}, "delay.input is '1 mV'; it must have a unit such as ms"),
        ({"delay.input": 3}, "delay.input is 3; it must have a unit"),
        ({"delay": "1 mV"}, "delay is '1 mV'; it must have a unit such as ms"),
        ({"delay": "0.3 ms"}, "must be whole steps"),
        ({"membrane_noise": "1 mV/ms**0.5"}, "membrane_noise is '1 mV/ms\\*\\*0.5': ValueError: sigma is"),
        ({"background": "5 ms"}, "background is '5 ms'; it must have a unit such as"),
        ({"neuron.tau_cv": 0.1}, "cv names 'tau'; what can vary in this neuron is tau_m, v_th"),
        ({"neuron.tau_m_cv": -1}, "variation of .tau_m. is -1.0"),
    ],
)
def test_what_does_not_go_with_the_neuron_is_refused_before_anything_is_simulated(folder, values, message):
    with pytest.raises(ValueError, match=message) as error:
        check_reach(job(folder, **values))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"v_th.fd": 2}, "v_th.fd is of no layer whose neurons spike; those are fc"),
        (
            {"v_th.fc": 2, "readout": "potential", "readout_k": None},
            "v_th.fc is of no layer whose neurons spike; those are none",
        ),
    ],
)
def test_thresholds_of_layers_without_one_are_refused(folder, values, message):
    with pytest.raises(StudyError, match=message) as error:
        check_job(job(folder, **values | {"model": "other.onnx"}))
    assert "\n" not in str(error.value)


def test_where_the_background_lies_changes_the_rows(folder):
    seen = [repr(rows(job(folder, matching="fi", onset_share=share))) for share in (1.0, 0.8)]
    assert seen[0] != seen[1]


def test_memory_changes_the_rows_where_initial_potentials_are_random(folder):
    """They are drawn batch by batch; input spikes belong to their image, whatever the batch."""
    few, many = (repr(rows(job(folder, memory_gb=size))) for size in (1e-5, 1))
    assert few == many
    few, many = (repr(rows(job(folder, memory_gb=size, v_init="uniform"))) for size in (1e-5, 1))
    assert few != many


def test_every_encoder_and_readout_changes_the_rows(folder):
    options = {"neuron": "if", "tau_m_ms": None, "readout_k": None}
    encoders = [{"encoder": name} for name in ("poisson", "on_off", "constant", "phase", "burst")]
    encoders.append({"encoder": "phase", "phase_period": 4})
    readouts = [{"readout": name} for name in ("count", "potential", "first_spike", "k_th_spike")]
    seen = [rows(job(folder, **options, **encoder)) for encoder in encoders]
    seen += [rows(job(folder, **options | readout)) for readout in readouts[:3]]
    texts = [repr(table["metrics"]) for table in seen]
    assert len(set(texts)) == len(encoders) + 3


@pytest.mark.parametrize(
    "simulating", [{"normalization": "spike"}, {"bias_calibration": "mean"}], ids=["spike", "mean"]
)
def test_the_window_of_calibrating_simulations_changes_the_rows_and_is_by_default_the_other_window(
    folder, simulating: dict
) -> None:
    base, same, shorter = (repr(rows(job(folder, **simulating, calibration_ms=t))) for t in (None, 24, 3))
    assert base == same
    assert base != shorter


SIGNED = {"neuron": "signed", "tau_m_ms": None, "readout": "count", "readout_k": None}


def test_signed_neurons_change_the_rows(folder):
    """Of a network of ReLU because its output is linear: classes below 0 send negative spikes."""
    signed, plain = (rows(job(folder, **SIGNED | {"neuron": name})) for name in ("signed", "if"))
    hidden = [[table["layers"]["spikes_per_image"][:3] for table in tables] for tables in ([signed], [plain])]
    assert hidden[0] == hidden[1]
    assert signed["layers"]["spikes_per_image"][3] > plain["layers"]["spikes_per_image"][3]


def test_removal_of_residual_potentials_takes_its_first_stage_in_time_and_spikes(folder):
    """On top of what the second stage takes; the input is shown 8 + 24 steps."""
    base = {"neuron": "if", "tau_m_ms": None, "encoder": "poisson"}
    without, removed = (rows(job(folder, **base, residual_ms=t)) for t in (0, 8))
    times = [without["metrics"]["time_ms"], removed["metrics"]["time_ms"]]
    np.testing.assert_allclose(times[1], np.add(times[0], 8))
    spikes = [table["layers"]["spikes_per_image"][0] for table in (without, removed)]
    assert spikes[1] / spikes[0] == pytest.approx(32 / 24, rel=0.05)
    assert removed["layers"]["rate_hz"][0] == pytest.approx(without["layers"]["rate_hz"][0], rel=0.05)
    assert removed["layers"]["silent_share"][-1] >= without["layers"]["silent_share"][-1] - 0.05  # other input spikes


@pytest.mark.parametrize("readout", ["count", "potential"])
@pytest.mark.parametrize("residual_ms", [0, 8])
def test_delayed_evaluation_reads_the_same_simulation_from_its_delay_on(folder, readout, residual_ms):
    """Between two readouts too; a first stage comes before the delay."""
    base = {"neuron": "if", "tau_m_ms": None, "readout": readout, "readout_k": None, "residual_ms": residual_ms}
    whole, late = (rows(job(folder, **base, evaluation_delay_ms=t)) for t in (0, 10))
    np.testing.assert_allclose(late["metrics"]["time_ms"], residual_ms + np.array([12, 16, 20, 24]))
    for name in ("spikes_per_image", "energy_nj"):
        assert late["metrics"][name] == whole["metrics"][name][2:]
    assert late["metrics"]["agreement"] != whole["metrics"]["agreement"][2:]
    assert repr(late["layers"]) == repr(whole["layers"])


@pytest.mark.parametrize("residual_ms", [0, 8])
def test_delays_that_share_a_simulation_have_the_rows_of_their_own(folder, residual_ms):
    """Whatever their order; what another delay reads between two readouts is not among them."""
    base = {"readout": "count", "readout_k": None, "neuron": "if", "tau_m_ms": None, "residual_ms": residual_ms}
    jobs = [job(folder, **base, evaluation_delay_ms=t) for t in (10, 0, 3, 8)]
    alone = [rows(each) for each in jobs]
    assert len({repr(each) for each in alone}) == len(jobs)
    assert repr(rows_of(jobs)) == repr(alone)


def test_mean_subtracted_images_reach_the_network_with_their_sign(folder):
    """Half of the images are the negatives of the others: so are their inputs, and neither code may rectify them."""
    x = np.random.default_rng(1).uniform(-1, 1, (30, 8, 8))
    np.savez(folder / "signed.npz", x=np.concatenate([x, -x]), y=np.zeros(60, int))
    flat = {"model": "other.onnx", "dataset": "signed.npz", "images": 40, "neuron": "if", "tau_m_ms": None}
    for encoder, first in (("on_off", "input"), ("constant", "fc")):
        signed = job(folder, **flat, encoder=encoder)
        check_job(signed)
        table = rows(signed)["layers"]
        assert table["correlation"][0] > 0.9
        assert table["layer"][0] == first
    with pytest.raises(StudyError, match=r"dataset 'signed.npz': pixels reach from -0\.9.*Poisson need"):
        check_job(job(folder, **flat))
    tiny = flat | {"model": "tiny.onnx", "encoder": "on_off"}
    check_job(job(folder, **tiny))
    assert rows(job(folder, **tiny, normalization="model", percentile=None, calibration=None))


def test_a_leaky_network_needs_signed_neurons(folder):
    leaky = [replace(layer, activation=Activation(0.1)) if layer.name == "conv" else layer for layer in tiny_network()]
    save(sequential((1, 8, 8), *leaky), folder / "leaky.onnx")
    with pytest.raises(ConversionError, match=r"'conv' can be negative .* use signed neurons"):
        check_job(job(folder, model="leaky.onnx"))
    signed = job(folder, model="leaky.onnx", **SIGNED)
    check_job(signed)
    relu, with_leak = rows(job(folder, **SIGNED))["layers"], rows(signed)["layers"]
    assert with_leak["spikes_per_image"][1] > relu["spikes_per_image"][1]
    assert with_leak["correlation"][1] > 0.9
    balanced = rows(job(folder, **SIGNED | {"model": "leaky.onnx", "neuron": "balanced"}))["layers"]
    assert balanced["spikes_per_image"][1] > with_leak["spikes_per_image"][1]
    dropped = rows(job(folder, **SIGNED | {"model": "leaky.onnx", "neuron": "if", "negative_slope": "drop"}))
    assert repr(dropped["layers"]) == repr(rows(job(folder, **SIGNED | {"neuron": "if"}))["layers"])
    for other in ({"pooling": "folded"}, {"v_th": 0.7}, {"v_init": "half"}, {"readout": "potential"}):
        changed = rows(job(folder, **SIGNED | {"model": "leaky.onnx"} | other))["layers"]
        assert repr(changed) != repr(with_leak)  # NaN is not equal to itself, so that == says nothing


def test_spike_norm_simulates_the_calibration_images_as_the_condition_says(folder):
    """Every scale is the 90th percentile of the weighted inputs that a simulation of the layers before it brings."""
    base = {"normalization": "spike", "percentile": 90, "neuron": "if", "tau_m_ms": None}
    prepared = prepare(job(folder, **base))
    calibration = load_dataset("digits8").x[-20:]
    simulation = Simulation(neuron=integrate_and_fire(), encoder=Poisson(1000 * Hz), duration=24 * ms)
    table = balance_thresholds(prepared.graph, calibration, simulation, percentile=90)
    for name, weight in (("conv", 1.0), ("fc", table["scale"]["conv"])):
        expected = prepared.graph[name].weight * weight / table["scale"][name]
        np.testing.assert_allclose(prepared.normalised[name].weight, expected, rtol=1e-6)
    lowered = prepare(job(folder, **base, threshold_factor=0.7)).normalised
    for name in ("conv", "fc"):
        np.testing.assert_allclose(lowered[name].weight, prepared.normalised[name].weight / 0.7, rtol=1e-6)
    changes = {
        "percentile": 100, "calibration": 3, "seed": 1, "duration_ms": 4, "encoder": "constant", "reset": "zero"
    }  # fmt: skip
    for name, value in changes.items():
        other = prepare(job(folder, **base | {name: value})).normalised["fc"].weight
        assert not np.array_equal(other, prepared.normalised["fc"].weight), name


def test_calibrated_biases_spike_but_the_rates_stand_for_the_activations_of_the_normalised_network(folder, monkeypatch):
    seen = []

    def layers(recording, activations, *others, original=experiment.measure_layers):
        activations = dict(activations)
        seen.append(activations["conv"])
        return original(recording, activations.items(), *others)

    monkeypatch.setattr(experiment, "measure_layers", layers)
    seen += [prepare(job(folder, bias_calibration=name)) for name in ("none", "mean")]
    rows(job(folder, bias_calibration="mean"))
    plain, calibrated, reference = seen
    assert plain.converted is plain.normalised
    assert calibrated.converted["conv"].bias.any()
    expected = activations(plain.normalised, plain.images, ["conv"])["conv"]
    np.testing.assert_array_equal(reference, expected)


def test_first_and_k_th_spike_agree_for_k_of_one(folder):
    first, k_th = (
        rows(job(folder, readout=name, readout_k=k)) for name, k in (("first_spike", None), ("k_th_spike", 1))
    )
    assert repr(first) == repr(k_th)  # and not ==, since NaN is not equal to itself


def test_connectivity_reaches_the_engine_and_changes_no_spike(folder, monkeypatch):
    seen = []

    def simulate(graph, images, simulation, original=experiment.simulate):
        seen.append(simulation.connectivity)
        return original(graph, images, simulation)

    monkeypatch.setattr(experiment, "simulate", simulate)
    shared, synapses = (rows(job(folder, connectivity=name)) for name in ("shared", "synapses"))
    assert seen == ["shared", "synapses"]
    assert shared["metrics"]["spikes_per_image"] == synapses["metrics"]["spikes_per_image"]


def test_rows_are_read_when_asked(folder):
    assert rows(job(folder))["metrics"]["time_ms"] == pytest.approx([4, 8, 12, 16, 20, 24])
    assert rows(job(folder, readout_ms=10))["metrics"]["time_ms"] == pytest.approx([10, 20, 24])


def test_calibration_images_are_the_last_ones(folder, monkeypatch):
    seen = []
    original = normalize
    monkeypatch.setattr(experiment, "normalize", lambda graph, x, *rest: seen.append(x) or original(graph, x, *rest))
    rows(job(folder, dataset="some.npz", calibration=7))
    with np.load(folder / "some.npz") as file:
        np.testing.assert_array_equal(seen[0][:, 0], file["x"][-7:].astype(np.float32))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model": "none"}, r"unknown model 'none'.*\(known: .*mnist_convnet"),
        ({"model": "none.onnx"}, "none.onnx: no such file"),
        ({"dataset": "digts"}, "dataset is 'digts'; known are digits"),
        ({"dataset": "none.npz"}, "none.npz cannot be read"),
        ({"images": 2000}, "images is 2000, but dataset 'digits8' has 1797"),
        ({"images": 1790}, "calibration is 20, but dataset 'digits8' has 7 images that are not tested"),
        ({"calibration": 61, "calibration_dataset": "some.npz"}, "calibration is 61, but dataset 'some.npz' has 60"),
        ({"dataset": "digits"}, r"the images have shape \(1, 28, 28\), but the network reads \(1, 8, 8\)"),
        ({"calibration_dataset": "digits"}, r"the images have shape \(1, 28, 28\)"),
        (
            {"model": "max.onnx", "encoder": "phase", "neuron": "if", "tau_m_ms": None},
            "'pool' compares numbers of spikes, but phase coding weights them",
        ),
    ],
)
def test_files_that_do_not_fit(folder, changes, message):
    with pytest.raises(ValueError, match=message):
        check_job(job(folder, **changes))


def test_what_a_network_of_relays_cannot_do_is_said_before_anything_is_simulated(folder):
    pool = MaxPool2d(name="max", inputs=("",), kernel=(2, 2), stride=(2, 2))
    save(sequential((1, 8, 8), pool, Flatten(name="flat", inputs=("",))), folder / "relays.onnx")
    check_job(job(folder, model="relays.onnx"))
    with pytest.raises(ConversionError, match="'max' only relays spikes and has no potential to read"):
        check_job(job(folder, model="relays.onnx", readout="potential"))
    with pytest.raises(ConversionError, match="'max' relays spikes, and a constant-current input has none"):
        check_job(job(folder, model="relays.onnx", encoder="constant"))


def test_labels_beyond_the_classes(folder):
    np.savez(folder / "more.npz", x=np.zeros((40, 8, 8), np.uint8), y=np.arange(40))
    with pytest.raises(StudyError, match=r"'more.npz' has a label 19, but the network knows 10"):
        check_job(job(folder, dataset="more.npz", images=20))


def test_all_images_may_be_tested_with_calibration_from_elsewhere(folder):
    check_job(job(folder, images=1797, calibration_dataset="some.npz"))
    check_job(job(folder, images=1797, normalization="model", calibration=None))


def test_vectors_are_flattened_maps():
    images = np.arange(2 * 3 * 4, dtype=np.float32).reshape(2, 1, 3, 4)
    np.testing.assert_array_equal(fit(images, (12,)), images.reshape(2, 12))
    with pytest.raises(StudyError, match="the network reads"):
        fit(images, (3, 4))


DETECTOR = {
    "model": "digit_detector", "dataset": "digit_scenes", "images": 2, "calibration": 5, "duration_ms": 40,
    "readout_ms": 20, "normalization": "channel", "neuron": "signed", "encoder": "constant", "readout": "potential",
}  # fmt: skip


def detector(folder, **changes) -> Job:
    return Job(condition(DETECTOR | changes), folder)


def test_a_detector_has_boxes_in_the_place_of_classes(folder):
    check_job(detector(folder))
    tables = rows(detector(folder))
    assert tables["metrics"].keys() == set(DETECTION_COLUMNS)
    assert set(tables["boxes"]["source"]) == {"snn", "ann"}
    assert set(tables["boxes"]["class"]) <= {*"0123456789", ""}
    assert tables["metrics"]["fidelity_map_50"][1] > 0.5
    assert tables["metrics"]["ann_map_50"][0] > 0.8


def test_a_file_of_scenes_with_boxes_is_the_same_as_the_scenes(folder, capsys):
    """As pixels and as PNG bytes; nothing is said of an accuracy, which boxes have not."""
    data = load_dataset("digit_scenes")
    images = [Image.fromarray(image) for image in np.rint(data.x[:10, 0] * 255).astype(np.uint8)]
    parts = [io.BytesIO() for _ in images]
    for image, part in zip(images, parts, strict=True):
        image.save(part, "PNG")
    offset = np.cumsum([0, *(len(part.getvalue()) for part in parts)])
    blob = np.frombuffer(b"".join(part.getvalue() for part in parts), np.uint8)
    np.savez(folder / "arrays.npz", x=data.x[:10], y=data.y[:10])
    np.savez(folder / "bytes.npz", blob=blob, offset=offset, y=data.y[:10])
    wanted = rows(detector(folder, calibration_dataset="arrays.npz"))["metrics"]
    for name in ("arrays.npz", "bytes.npz"):
        check_job(detector(folder, dataset=name))
        say_accuracies([detector(folder, dataset=name)])
        got = rows(detector(folder, dataset=name))["metrics"]
        np.testing.assert_allclose(got["ann_map_50"], wanted["ann_map_50"])
        np.testing.assert_allclose(got["map_50"], wanted["map_50"], atol=0.05)
    assert capsys.readouterr().err == ""


def test_the_boxes_of_a_slow_network_are_those_of_a_normalised_one_in_the_end(folder):
    """Whatever normalisation divides the output by, it comes back before the boxes are decoded."""
    job = detector(folder, normalization="percentile", headroom=1.5)
    prepared = prepare(job)
    scale = output_scale(prepared.graph, prepared.normalised, prepared.images)
    ratio = prepared.graph["head"].bias / prepared.normalised["head"].bias
    np.testing.assert_allclose(ratio, scale, rtol=1e-3)
    assert scale > 2


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"readout": "count"}, "readout is 'count'; dataset 'digit_scenes' has boxes"),
        ({"model": "mnist_convnet"}, r"the images have shape \(1, 96, 96\)"),
        ({"neuron": "if"}, "use signed neurons"),
    ],
)
def test_what_a_detector_cannot_do_is_said_before_anything_is_simulated(folder, changes, message):
    with pytest.raises(ValueError, match=message):
        check_job(detector(folder, **changes))
    check_job(detector(folder, neuron="if", negative_slope="drop"))


def test_a_network_without_a_head_finds_no_boxes(folder):
    model = onnx.load(WEIGHTS / "digit_detector.onnx")
    del model.metadata_props[:]
    onnx.save(model, folder / "headless.onnx")
    with pytest.raises(HeadError, match=r"headless\.onnx finds no boxes"):
        check_job(detector(folder, model="headless.onnx"))
    onnx.helper.set_model_props(model, dict(metadata(Head(anchors=((1.0, 1.0),) * 5, classes=("a",) * 4))))
    onnx.save(model, folder / "few.onnx")
    with pytest.raises(StudyError, match="has a label 9, but the network knows 4 classes"):
        check_job(detector(folder, model="few.onnx"))


def test_key_follows_the_content_of_the_files(folder):
    before = key_of(job(folder))
    assert key_of(job(folder, tau_m_ms=20.0)) == before
    assert key_of(job(folder, seed=1)) != before
    (folder / "tiny.onnx").write_bytes((folder / "other.onnx").read_bytes())
    assert key_of(job(folder)) != before


@pytest.mark.parametrize("encoder", ["constant", "phase", "burst", "poisson", "on_off"])
@pytest.mark.parametrize("v_init", ["zero", "uniform"])
def test_two_seeds_have_one_key_if_and_only_if_they_have_the_same_rows(folder, encoder, v_init):
    """Rows of different seeds say what a seed decides: Poisson spikes and random potentials, nothing else."""
    plain = {"neuron": "if", "reset": "subtract", "refractory_ms": 0.0, "v_min": -np.inf, "current_offset": "none"}
    jobs = [job(folder, **plain | {"encoder": encoder, "v_init": v_init, "seed": seed}) for seed in (0, 1)]
    one, other = (str(rows(some)) for some in jobs)  # as text, since nan is not nan
    assert (key_of(jobs[0]) == key_of(jobs[1])) == (one == other)
    assert (one == other) == (encoder not in ("poisson", "on_off") and v_init != "uniform")


def test_key_follows_the_content_of_the_dataset(folder):
    job_on_file = job(folder, dataset="some.npz")
    before = key_of(job_on_file)
    np.savez(folder / "some.npz", x=np.zeros((60, 8, 8)), y=np.zeros(60, int))
    assert key_of(job_on_file) != before


def test_without_end_the_time_constant_is_no_leak(folder):
    leaky, none = (rows(job(folder, **change)) for change in ({"tau_m_ms": math.inf}, {"neuron": "if"}))
    assert repr(leaky) == repr(none)


def test_a_ceiling_that_would_be_exceeded_is_refused_before_anything_is_simulated(folder, monkeypatch):
    """ReLU6 without normalisation: at 2000 Hz in steps of 1 ms no neuron gets beyond 0.5, at 100 Hz up to 10."""
    six = Activation(ceiling=6.0)
    weight = np.full((10, 64), 0.1, np.float32)
    layers = (Flatten(name="flat", inputs=("",)), Dense(name="fc1", inputs=("",), weight=weight, activation=six),
              Dense(name="fc2", inputs=("",), weight=np.eye(10, dtype=np.float32)))  # fmt: skip
    save(sequential((1, 8, 8), *layers), folder / "six.onnx")
    monkeypatch.setattr(experiment, "simulate", lambda *_: pytest.fail("simulated"))
    base = {"model": "six.onnx", "normalization": "none", "percentile": None, "neuron": "if", "tau_m_ms": None}
    with pytest.raises(ConversionError, match="'fc1' has its ceiling at 6 times"):
        check_reach(job(folder, **base, max_rate_hz=100))
    check_reach(job(folder, **base, max_rate_hz=1000))
