"""Fuzzing of the importer: a file is refused in one line, or gives what onnxruntime gives on the file itself."""

from __future__ import annotations

import contextlib
import zlib
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from google.protobuf.message import DecodeError
from scipy.special import expit

from models.graph import Graph
from models.onnx_io import OnnxError, load, open_session, predict, require_runnable
from models.paths import ROOT, WEIGHTS
from models.standardisation import Standardisation
from models.tailor.check import require_same_function
from models.tailor.report import tailor
from tests.fuzz import onnx_mutations
from tests.fuzz.networks import random_network
from tests.fuzz.outcome import Outcome, Wrong, outcome_of, pick
from tests.fuzz.spiking import spiking_error

Rng = np.random.Generator
FILES = sorted((ROOT / "tests" / "data" / "onnx").glob("*.onnx"))
SHIPPED = [WEIGHTS / f"{name}.onnx" for name in ("mnist_convnet", "digit_detector", "cifar_resnet8")]
NAME = "network.onnx"
SIMULATE_ONE_OF = 25  # of the networks that load and give the right numbers
LARGEST_ERROR = 0.15  # it is 0.001 in most, and 0.08 in one with two layers of max pooling
BEHIND_LOGITS = ("Softmax", "LogSoftmax", "ArgMax", "Normalizer", "Sigmoid", "ZipMap")
FLOATS = {"tensor(float)": np.float32, "tensor(float16)": np.float16, "tensor(double)": np.float64}
WHOLE = {f"tensor({name})": np.dtype(name) for name in ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32")}
SAID = (
    Standardisation(scale=100.0), Standardisation(scale=2.0, mean=0.5, std=0.25), Standardisation(mean=(0.1, 0.2, 0.3)),
    Standardisation(mean=1e50),
)  # fmt: skip


def make(rng: Rng, folder: Path) -> None:
    """A network, sound at first, then changed in up to three ways."""
    model = _sound(rng)
    for _ in range(int(pick(rng, [0, 0, 1, 1, 1, 2, 3]))):
        with contextlib.suppress(Exception):  # whatever cannot be done to this file, or not any more
            pick(rng, onnx_mutations.MUTATIONS)(model, rng)
    content = model.SerializeToString()
    (folder / NAME).write_bytes(onnx_mutations.damaged(content, rng) if rng.random() < 0.08 else content)


def _sound(rng: Rng) -> onnx.ModelProto:
    if (how := rng.random()) < 0.6:
        return random_network(rng)
    return onnx.load(pick(rng, SHIPPED if how > 0.97 else FILES))


def judge(folder: Path) -> Outcome:
    """The tailor reads what the importer reads, and neither may fail in another way."""
    path = folder / NAME
    tailored = outcome_of(_tailors, folder, (OnnxError,), str(path))
    loaded = outcome_of(_loads_and_equals, folder, (OnnxError,), str(path))
    if tailored.is_finding or loaded.kind != "equal" or zlib.crc32(path.read_bytes()) % SIMULATE_ONE_OF:
        return tailored if tailored.is_finding else loaded
    return outcome_of(_spikes, folder, (), "")


def _spikes(folder: Path) -> str:
    path = folder / NAME
    error = spiking_error(load(path, *_asked(path)))
    if error is not None and not error < LARGEST_ERROR:
        raise Wrong(f"spikes with a mean error of {error:.3f} of the largest output")
    return "equal"


def _tailors(folder: Path) -> str:
    """The report is made, and what is rewritten does the same wherever the file itself runs, with numbers in range."""
    path = folder / NAME
    _, model = tailor(path)
    values = [onnx.numpy_helper.to_array(tensor) for tensor in model.graph.initializer]
    if not all(np.all(np.isfinite(v)) for v in values if v.dtype.kind == "f"):
        return "overflow"
    try:
        require_runnable(path)
        require_same_function(path, onnx.load(path))
    except (OnnxError, onnx.checker.ValidationError):
        return "refused"
    try:
        require_same_function(path, model)
    except OnnxError as error:
        if "gives other values" in str(error):
            raise Wrong(f"tailored: {error}") from error
    return "equal"


def _loads_and_equals(folder: Path) -> str:
    path = folder / NAME
    until, said = _asked(path)
    graph = load(path, until, said)
    model = _ending_at(onnx.load(path), until)
    session = open_session(model, optimised=False)
    given = session.get_inputs()[0]
    if given.type not in FLOATS | WHOLE:
        raise Wrong(f"reads an input of type {given.type}, which no image has")
    for batch in [given.shape[0]] if isinstance(given.shape[0], int) else [1, 3]:
        images, read = _images((batch, *graph.input_shape), given.type, said)
        compared = [_compared(graph, session, model, images, x) for x in _as_input(read, tuple(given.shape[1:]))]
        if "equal" not in compared:
            if "overflow" in compared:
                return "overflow"
            raise Wrong(f"until {until}, {said}, batch of {batch}: {compared[0]}")
    return "equal"


def _asked(path: Path) -> tuple[str | None, Standardisation]:
    """Up to where a file is to be read, and what its network is said to read: in most cases nothing of both."""
    content = path.read_bytes()
    rng, made = np.random.default_rng(zlib.crc32(content)), [""]
    with contextlib.suppress(DecodeError):
        made += [name for node in onnx.load_model_from_string(content).graph.node for name in node.output]
    return pick(rng, [*9 * [None], pick(rng, made)]), pick(rng, [*9 * [Standardisation()], *SAID])


def _ending_at(model: onnx.ModelProto, until: str | None) -> onnx.ModelProto:
    """The nodes that this tensor is made by, with it as the only output."""
    if until is None:
        return model
    needed, nodes = {until}, []
    for node in reversed(model.graph.node):
        if needed.intersection(node.output):
            needed.update(node.input)
            nodes.insert(0, onnx.NodeProto.FromString(node.SerializeToString()))
    given = [value for value in model.graph.input if value.name in needed]
    del model.graph.output[:], model.graph.node[:], model.graph.input[:]
    model.graph.input.extend(given)
    model.graph.output.append(onnx.ValueInfoProto(name=until))
    model.graph.node.extend(nodes)
    return model


def _images(shape: tuple[int, ...], kind: str, said: Standardisation) -> tuple[np.ndarray, np.ndarray]:
    """Images, and what the network is to read in their place."""
    images = np.random.default_rng(0).uniform(-1, 1, shape)
    scale, mean, std = (
        np.reshape(default if value is None else value, (-1, *(1,) * (len(shape) - 2)))
        for value, default in ((said.scale, 255 if kind == "tensor(uint8)" else 1), (said.mean, 0), (said.std, 1))
    )
    if kind in WHOLE:
        images = np.round(np.abs(images) * scale) / scale
    return images.astype(np.float32), (scale * images.astype(np.float32) - mean) / std


def _as_input(images: np.ndarray, shape: tuple[int, ...]) -> list[np.ndarray]:
    """The images as the file may read them: as they are, and with the channels last."""
    ways = [images.reshape(len(images), *shape)]
    if len(shape) > 1 and images.ndim == 4:
        ways.append(np.moveaxis(images, 1, -1).reshape(len(images), *shape))
    return ways


def _compared(
    graph: Graph, session: onnxruntime.InferenceSession, model: onnx.ModelProto, images: np.ndarray, x: np.ndarray
) -> str:
    """ "equal", "overflow", or what is not equal."""
    got = predict(graph, images)
    given = session.get_inputs()[0]
    x, kind = np.round(x) if given.type in WHOLE else x, (FLOATS | WHOLE)[given.type]
    moved = x * (1 + 1e-6 * np.sign(np.random.default_rng(1).normal(size=x.shape)))
    try:  # what runs for one image alone is read as it is meant
        with np.errstate(over="ignore"):
            wanted, shaken = (session.run(None, {given.name: values.astype(kind)}) for values in (x, moved))
    except Exception as error:  # its exceptions share no base class
        alone = not isinstance(given.shape[0], int) and len(x) > 1
        return "equal" if alone else f"onnxruntime does not run it: {' '.join(str(error).split())[:300]}"
    rough = 3e-2 if "float16" in given.type else 1e-4
    operators = {node.op_type for node in model.graph.node}
    for output, values, other in zip(session.get_outputs(), wanted, shaken, strict=True):
        said = _difference(got, values, other, rough, operators)
        if said:
            return said if said == "overflow" else f"output {output.name!r}: {said}"
    return "equal"


def _difference(got: np.ndarray, wanted: object, shaken: object, rough: float, operators: set[str]) -> str:
    """What differs, or nothing; what falls away behind the logits is done to what the graph gives."""
    if not isinstance(wanted, np.ndarray):
        return ""  # the dictionaries of ZipMap
    behind = operators.intersection(BEHIND_LOGITS)
    if not np.all(np.isfinite(got)):
        return "overflow"
    if wanted.dtype.kind in "iuOU":
        return "" if behind and (wanted.dtype.kind != "i" or _are_answers(got, wanted)) else "not the largest"
    if not np.all(np.isfinite(wanted)):
        return "overflow"
    with np.errstate(all="ignore"):
        made = [got, *(f(got.astype(float)) for f in _BEHIND if behind)]
    for values in made:
        if values.size == wanted.size and _are_close(values.reshape(wanted.shape), wanted, shaken, rough):
            return ""
    if got.size != wanted.size:
        return f"{got.shape} for {wanted.shape}"
    apart = np.abs(got.reshape(wanted.shape) - wanted)
    return f"differs by up to {apart.max():g} of {np.abs(wanted).max():g}, shape {wanted.shape}"


def _are_close(got: np.ndarray, wanted: np.ndarray, shaken: object, rough: float) -> bool:
    """Within what rounding does, and what it may do to a network that makes much of it."""
    allowed = rough * (np.abs(wanted).max(initial=0.0) + 1e-2) + 30 * np.abs(np.asarray(shaken) - wanted).max(
        initial=0.0
    )
    return bool(np.all(np.abs(got.astype(float) - wanted) <= allowed))


def _are_answers(got: np.ndarray, labels: np.ndarray) -> bool:
    """Whether each label is the place of a largest value (of several maps: at each pixel)."""
    maps = got.reshape(len(got), got.shape[1], -1)
    if labels.size != maps.shape[0] * maps.shape[2] or labels.min() < 0 or labels.max() >= maps.shape[1]:
        return False
    at = np.take_along_axis(maps, labels.reshape(len(got), 1, -1).astype(np.int64), 1)[:, 0]
    return bool(np.allclose(at, maps.max(1), rtol=1e-3, atol=1e-4))


def _softmax(values: np.ndarray) -> np.ndarray:
    return _exponents(values) / _exponents(values).sum(1, keepdims=True)


def _exponents(values: np.ndarray) -> np.ndarray:
    return np.exp(values - values.max(1, keepdims=True))


_BEHIND = (
    _softmax,
    expit,
    lambda values: values - values.max(1, keepdims=True) - np.log(_exponents(values).sum(1, keepdims=True)),
    lambda values: values / np.abs(values).sum(1, keepdims=True),
    lambda values: values / np.abs(values).max(1, keepdims=True),
    lambda values: values / np.sqrt((values**2).sum(1, keepdims=True)),
)
