"""What a network reads in the place of pixels, folded into it: against onnxruntime, which is shown what it reads."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto

from models.onnx_io.reading import load
from models.onnx_io.running import predict
from models.onnx_io.signals import OnnxError
from models.standardisation import Standardisation
from tests.models.onnx_files import floats, network, node, written

BYTES = np.random.default_rng(0).integers(0, 256, (5, 3, 6, 5), dtype=np.uint8)
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
SAID = {
    "nothing": Standardisation(),
    "bytes": Standardisation(scale=255.0),
    "one number": Standardisation(mean=0.1307, std=0.3081),
    "per channel": Standardisation(mean=MEAN, std=STD),
    "all three": Standardisation(scale=255.0, mean=(123.7, 116.3, 103.5), std=58.0),
}
PADDED = {"pads": [1, 1, 1, 1]}
HEAD = [node("Relu", "a", "r"), node("Flatten", "r", "f"), node("MatMul", "f m")]
WEIGHTS = {
    "k": floats(4, 3, 3, 3), "k3": floats(3, 3, 3, 3), "kg": floats(3, 1, 3, 3), "k1": floats(3, 3, 1, 1),
    "b": floats(4), "m": floats(120, 2), "m3": floats(90, 2), "m1": floats(3, 2), "flat": np.array([0, -1]),
    "bytes": np.full(1, 255, np.float32), "mean": np.float32(MEAN).reshape(3, 1, 1),
    "std": np.float32(STD).reshape(3, 1, 1),
}  # fmt: skip
FEATURES = [node("Flatten", "r", "f"), node("MatMul", "f m3")]
KINDS = {
    "padded convolution": [node("Conv", "x k b", "a", **PADDED), *HEAD],
    "strided groups": [node("Conv", "x kg", "r", group=3, strides=[1, 1], **PADDED), *FEATURES],
    "flatten": [node("Flatten", "x", "f"), node("MatMul", "f m3")],
    "mean first": [
        node("AveragePool", "x", "p", kernel_shape=[3, 3], count_include_pad=1, **PADDED),
        node("Conv", "p k b", "a", **PADDED), *HEAD,
    ],
    "maximum first": [
        node("MaxPool", "x", "p", kernel_shape=[3, 3], **PADDED), node("Conv", "p k b", "a", **PADDED), *HEAD,
    ],
    "global mean": [node("GlobalAveragePool", "x", "g"), node("Flatten", "g", "f"), node("MatMul", "f m1")],
    "relu first": [node("Relu", "x", "p"), node("Conv", "p k b", "a", **PADDED), *HEAD],
    "added to what reads it": [
        node("Conv", "x k3", "c", **PADDED), node("Add", "c x", "s"), node("Relu", "s", "r"), *FEATURES,
    ],
    "two readers": [
        node("Conv", "x k3", "c", **PADDED), node("Conv", "x k1", "d"), node("Add", "c d", "s"),
        node("Relu", "s", "r"), *FEATURES,
    ],
    "divides itself": [node("Div", "x bytes", "d"), node("Conv", "d k b", "a", **PADDED), *HEAD],
    "standardises itself": [
        node("Sub", "x mean", "d"), node("Div", "d std", "e"), node("Conv", "e k b", "a", **PADDED), *HEAD,
    ],
}  # fmt: skip
LAST = {
    "colours last": [node("Transpose", "x", "t", perm=[0, 3, 1, 2]), node("Conv", "t k b", "a", **PADDED), *HEAD],
    "row, column, colour": [node("Reshape", "x flat", "f"), node("MatMul", "f m3")],
}


def model(nodes: list, last: bool = False, kind: int = TensorProto.FLOAT) -> onnx.ModelProto:
    used = {name: WEIGHTS[name] for n in nodes for name in n.input if name in WEIGHTS}
    made = network(nodes, used, ("batch", 6, 5, 3) if last else ("batch", 3, 6, 5))
    made.graph.input[0].type.tensor_type.elem_type = kind
    return made


def read_by(network: onnx.ModelProto, x: np.ndarray) -> np.ndarray:
    return onnxruntime.InferenceSession(network.SerializeToString()).run(["y"], {"x": x})[0]


@pytest.mark.parametrize("said", SAID.values(), ids=SAID.keys())
@pytest.mark.parametrize("kind", [*KINDS, *LAST])
def test_a_network_reads_pixels_as_the_original_what_it_was_trained_on(tmp_path: Path, kind: str, said) -> None:
    made = model((KINDS | LAST)[kind], kind in LAST)
    scale, mean, std = (
        np.reshape(default if value is None else value, (-1, 1, 1))
        for value, default in ((said.scale, 1), (said.mean, 0), (said.std, 1))
    )
    x = ((scale * (BYTES / 255) - mean) / std).astype(np.float32)
    wanted = read_by(made, np.ascontiguousarray(x.transpose(0, 2, 3, 1)) if kind in LAST else x)
    got = predict(load(written(tmp_path / "n.onnx", made), standardisation=said), (BYTES / 255).astype(np.float32))
    np.testing.assert_allclose(got, wanted, rtol=1e-4, atol=1e-5 * np.abs(wanted).max())


@pytest.mark.parametrize("kind", ["padded convolution", "divides itself", "standardises itself", "colours last"])
def test_declared_bytes_are_pixels_of_255(tmp_path: Path, kind: str) -> None:
    nodes = [node("Cast", "x", "z", to=TensorProto.FLOAT), *(KINDS | LAST)[kind]]
    first = onnx.NodeProto()
    first.CopyFrom(nodes[1])
    first.input[0] = "z"
    made = model([nodes[0], first, *nodes[2:]], kind in LAST, TensorProto.UINT8)
    wanted = read_by(made, np.ascontiguousarray(BYTES.transpose(0, 2, 3, 1)) if kind in LAST else BYTES)
    got = predict(load(written(tmp_path / "n.onnx", made)), (BYTES / 255).astype(np.float32))
    np.testing.assert_allclose(got, wanted, rtol=1e-4, atol=1e-5 * np.abs(wanted).max())


def test_pixels_of_a_type_that_numpy_has_not(tmp_path: Path) -> None:
    nodes = [node("Cast", "x", "z", to=TensorProto.FLOAT), node("Flatten", "z", "f"), node("MatMul", "f m3")]
    path = written(tmp_path / "n.onnx", model(nodes, kind=TensorProto.BFLOAT16))
    x = (BYTES / 256).astype(np.float32)  # which bfloat16 holds exactly
    np.testing.assert_allclose(predict(load(path), x), x.reshape(5, -1) @ WEIGHTS["m3"], rtol=1e-4, atol=1e-4)


def test_a_type_that_says_no_scale_needs_one(tmp_path: Path) -> None:
    nodes = [node("Cast", "x", "z", to=TensorProto.FLOAT), node("Flatten", "z", "f"), node("MatMul", "f m3")]
    made = model(nodes, kind=TensorProto.INT32)
    path = written(tmp_path / "n.onnx", made)
    with pytest.raises(OnnxError, match="input 'x' holds whole numbers; say with scale which of them is white"):
        load(path)
    digits = BYTES % 17
    got = predict(load(path, standardisation=Standardisation(scale=16)), (digits / 16).astype(np.float32))
    np.testing.assert_allclose(got, read_by(made, digits.astype(np.int32)), rtol=1e-4, atol=1e-3)
    with pytest.raises(OnnxError, match="which have no mean and std; leave these out"):
        load(path, standardisation=Standardisation(scale=16, mean=1))


def test_a_mean_for_each_channel_there_is(tmp_path: Path) -> None:
    path = written(tmp_path / "n.onnx", model(KINDS["flatten"]))
    with pytest.raises(OnnxError, match=r"n\.onnx: mean has 2 values, but the network reads 3 channels; give one numb"):
        load(path, standardisation=Standardisation(mean=(0.1, 0.2)))
    load(path, standardisation=Standardisation(mean=(0.1, 0.2, 0.3)))


@pytest.mark.parametrize("said", [Standardisation(mean=1e50), Standardisation(scale=1e100), Standardisation(std=1e-60)])
def test_numbers_that_no_weight_holds(tmp_path: Path, said: Standardisation) -> None:
    path = written(tmp_path / "n.onnx", model(KINDS["padded convolution"]))
    with pytest.raises(OnnxError, match=r"\(Conv\): the (weight|bias) holds .*; only finite values are possible"):
        load(path, standardisation=said)
