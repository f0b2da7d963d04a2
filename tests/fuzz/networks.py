"""Random networks that onnxruntime runs, operator by operator: what the importer has to read or to refuse."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from models.onnx_io import open_session
from tests.fuzz.outcome import pick

Rng = np.random.Generator
SHAPES = ((2, 6, 5), (1, 8, 8), (3, 5, 5), (3, 7, 4), (4,), (9,), (6, 5, 3), (8, 8, 1), (3, 8), (8, 3), (5, 5))
OPSETS = (9, 11, 12, 13, 17, 18, 19, 21)


@dataclass
class Network:
    """Nodes so far; `tensors` are the signals with their shapes without the batch, the last is where it goes on."""

    opset: int
    batch: int | str
    shape: tuple[int, ...]
    nodes: list[onnx.NodeProto] = field(default_factory=list)
    constants: dict[str, np.ndarray] = field(default_factory=dict)
    tensors: list[tuple[str, tuple[int, ...]]] = field(default_factory=list)

    def model(self, output: str) -> onnx.ModelProto:
        body = helper.make_graph(
            self.nodes,
            "network",
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, (self.batch, *self.shape))],
            [onnx.ValueInfoProto(name=output)],
            [numpy_helper.from_array(values, name) for name, values in self.constants.items()],
        )
        return helper.make_model(body, opset_imports=[helper.make_opsetid("", self.opset)], ir_version=8)

    def constant(self, values: Any) -> str:
        name = f"c{len(self.constants)}"
        self.constants[name] = np.asarray(values)
        return name


def random_network(rng: Rng) -> onnx.ModelProto:
    """Three to nine operators that fit, from x to the last output."""
    network = Network(int(pick(rng, OPSETS)), pick(rng, ["batch", "batch", 1, 2]), pick(rng, SHAPES))
    network.tensors.append(("x", network.shape))
    for _ in range(int(rng.integers(3, 10))):
        _append(network, pick(rng, OPERATORS), rng)
    if rng.random() < 0.6 and len(network.tensors[-1][1]) > 1:
        _append(network, flatten, rng)
    if rng.random() < 0.7:
        _append(network, gemm, rng)
    if rng.random() < 0.2:
        _append(network, softmax, rng)
    model = network.model(network.tensors[-1][0])
    kind = TensorProto.INT64 if model.graph.node and model.graph.node[-1].op_type == "ArgMax" else TensorProto.FLOAT
    axes = ["batch", *map(str, range(1, 1 + len(network.tensors[-1][1])))]
    model.graph.output[0].CopyFrom(helper.make_tensor_value_info(network.tensors[-1][0], kind, axes))
    return model


def _append(network: Network, operator: Callable[..., Any], rng: Rng) -> None:
    """One more node, if onnxruntime runs it and it keeps the batch."""
    before = list(network.nodes), dict(network.constants)
    name, shape = network.tensors[-1]
    made = operator(network, name, shape, rng)
    if made is not None:
        kind, inputs, attributes = made
        outputs = [f"t{len(network.tensors)}"] + [f"t{len(network.tensors)}b"] * (kind == "Split")
        network.nodes.append(helper.make_node(kind, inputs, outputs, name=f"n{len(network.nodes)}", **attributes))
        batch = network.batch if isinstance(network.batch, int) else 2
        x = rng.normal(size=(batch, *network.shape)).astype(np.float32)
        try:
            (y,) = open_session(network.model(outputs[0])).run(None, {"x": x})
        except Exception:  # does not fit; its exceptions share no base class
            y = np.empty(())
        if y.ndim >= 2 and len(y) == batch and y.size and y.size < 4000:
            network.tensors.append((outputs[0], y.shape[1:]))
            return
    network.nodes[:], network.constants = before[0], before[1]


def _weights(rng: Rng, *shape: int) -> np.ndarray:
    return (rng.normal(size=shape) * pick(rng, [0.3, 1.0])).astype(np.float32)


def _window(rng: Rng, axes: int) -> dict[str, Any]:
    """Strides and padding of a kernel, of any kind that there is."""
    attributes: dict[str, Any] = {}
    if rng.random() < 0.5:
        attributes["strides"] = [int(n) for n in rng.integers(1, 4, axes)]
    how = rng.random()
    if how < 0.4:
        attributes["pads"] = [int(n) for n in rng.integers(0, 3, 2 * axes)]
    elif how < 0.7:
        attributes["auto_pad"] = pick(rng, ["SAME_UPPER", "SAME_LOWER", "VALID", "NOTSET"])
    return attributes


def conv(network: Network, x: str, shape: tuple[int, ...], rng: Rng) -> Any:
    if len(shape) < 2:
        return None
    axes, channels = len(shape) - 1, shape[0]
    groups = pick(rng, [1, 1, channels, 2 if channels % 2 == 0 else 1])
    kernel = [int(n) for n in rng.integers(1, 4, axes)]
    out = groups * int(rng.integers(1, 4))
    inputs = [x, network.constant(_weights(rng, out, channels // groups, *kernel))]
    if rng.random() < 0.5:
        inputs.append(network.constant(_weights(rng, out)))
    attributes = _window(rng, axes) | ({"group": groups} if groups > 1 else {})
    if rng.random() < 0.3:
        attributes["dilations"] = [int(n) for n in rng.integers(1, 3, axes)]
    if rng.random() < 0.5:
        attributes["kernel_shape"] = kernel
    return "Conv", inputs, attributes


def pool(network: Network, x: str, shape: tuple[int, ...], rng: Rng) -> Any:
    if len(shape) < 2:
        return None
    kind, axes = pick(rng, ["MaxPool", "AveragePool"]), len(shape) - 1
    attributes = {"kernel_shape": [int(n) for n in rng.integers(1, 4, axes)]} | _window(rng, axes)
    if rng.random() < 0.3 and network.opset >= 10:
        attributes["ceil_mode"] = 1
    if rng.random() < 0.4 and kind == "AveragePool":
        attributes["count_include_pad"] = 1
    return kind, [x], attributes


def whole_map(network: Network, x: str, shape: tuple[int, ...], rng: Rng) -> Any:
    return (pick(rng, ["GlobalAveragePool", "GlobalMaxPool"]), [x], {}) if len(shape) > 1 else None


def reduce(network: Network, x: str, shape: tuple[int, ...], rng: Rng) -> Any:
    axes = pick(rng, [[2, 3], [2, 3], [-1, -2], [1, 2], pick(rng, [[1], [3], [2]])])
    kind, attributes = pick(rng, ["ReduceMean", "ReduceMax", "ReduceSum"]), {"keepdims": int(rng.integers(2))}
    if network.opset >= (13 if kind == "ReduceSum" else 18):
        return kind, [x, network.constant(np.array(axes))], attributes
    return kind, [x], attributes | {"axes": axes}


def gemm(network: Network, x: str, shape: tuple[int, ...], rng: Rng) -> Any:
    if len(shape) != 1:
        return None
    out, transposed = int(rng.integers(2, 6)), int(rng.integers(2))
    weight = _weights(rng, *((out, shape[0]) if transposed else (shape[0], out)))
    attributes = {"transB": transposed, "alpha": pick(rng, [1.0, 0.5]), "beta": pick(rng, [1.0, 2.0, 0.0])}
    bias = _weights(rng, *pick(rng, [(out,), (1,), (1, out), ()]))
    return "Gemm", [x, network.constant(weight), network.constant(bias)], attributes


def matmul(network: Network, x: str, shape: tuple[int, ...], rng: Rng) -> Any:
    if len(shape) > 1 and rng.random() < 0.8:
        return None
    return "MatMul", [x, network.constant(_weights(rng, shape[-1], int(rng.integers(2, 6))))], {}


def arithmetic(network: Network, x: str, shape: tuple[int, ...], rng: Rng) -> Any:
    sizes = [pick(rng, [n, 1]) for n in shape]
    values = _weights(rng, *pick(rng, [(), (1,), sizes, sizes[1:], [1, *sizes], (shape[0], *[1] * (len(shape) - 1))]))
    inputs = [x, network.constant(values + np.float32(pick(rng, [0, 2])))]
    return pick(rng, ["Add", "Add", "Mul", "Mul", "Sub", "Div", "Min"]), inputs[:: pick(rng, [1, 1, 1, -1])], {}


def activation(network: Network, x: str, shape: tuple[int, ...], rng: Rng) -> Any:
    kind = pick(rng, ["Relu", "Relu", "Relu", "LeakyRelu", "PRelu", "Clip", "Identity", "Dropout", "Max"])
    if kind == "LeakyRelu":
        return kind, [x], {"alpha": pick(rng, [0.1, -0.5, 0.0, 1.0, 2.0])}
    if kind == "PRelu":
        slope = _weights(rng, *pick(rng, [(1,), (shape[0], *[1] * (len(shape) - 1))]))
        return kind, [x, network.constant(slope)], {}
    if kind == "Max":
        return kind, [x, network.constant(np.zeros(pick(rng, [(), (1,)]), np.float32))], {}
    if kind == "Clip" and network.opset < 11:
        return kind, [x], {"min": 0.0, "max": pick(rng, [0.5, 6.0])}
    if kind == "Clip":
        low = pick(rng, ["", *2 * [network.constant(np.float32(0))], network.constant(np.float32(-1))])
        return kind, [x, low, network.constant(np.float32(pick(rng, [0.5, 6.0])))], {}
    return kind, [x], {}


def qcfs(network: Network, x: str, shape: tuple[int, ...], rng: Rng) -> Any:
    """The next node of floor(L clip(x, 0, 1) + 1/2) / L."""
    last = network.nodes[-1].op_type if network.nodes else ""
    if last == "Add":
        return "Floor", [x], {}
    if last in ("Clip", "Mul"):
        return {"Clip": "Mul", "Mul": "Add"}[last], [x, network.constant(np.float32({"Clip": 4, "Mul": 0.5}[last]))], {}
    return "Clip", [x, network.constant(np.float32(0)), network.constant(np.float32(1))], {}


def batch_norm(network: Network, x: str, shape: tuple[int, ...], rng: Rng) -> Any:
    gamma, beta, mean = (_weights(rng, shape[0]) for _ in range(3))
    values = gamma, beta, mean, np.abs(_weights(rng, shape[0]))
    return "BatchNormalization", [x, *map(network.constant, values)], {"epsilon": pick(rng, [1e-5, 1e-3])}


def junction(network: Network, x: str, shape: tuple[int, ...], rng: Rng) -> Any:
    other = pick(rng, [name for name, size in network.tensors if size == shape])
    return pick(rng, ["Add", "Sum", "Mean"]), [x, other], {}


def concat(network: Network, x: str, shape: tuple[int, ...], rng: Rng) -> Any:
    other = pick(rng, [name for name, size in network.tensors if len(size) == len(shape)])
    return "Concat", [x, other], {"axis": pick(rng, [1, 1, -1, 2, 3, 0])}


def flatten(network: Network, x: str, shape: tuple[int, ...], rng: Rng) -> Any:
    return "Flatten", [x], {"axis": 1} if rng.random() < 0.5 else {}


def reshape(network: Network, x: str, shape: tuple[int, ...], rng: Rng) -> Any:
    size = int(np.prod(shape))
    targets = [[-1, size], [0, -1], [-1, *shape[::-1]], [0, 1, *shape], [0, 0, -1], [-1, size // 2, 2], [1, -1]]
    return "Reshape", [x, network.constant(np.array(pick(rng, targets)))], {}


def transpose(network: Network, x: str, shape: tuple[int, ...], rng: Rng) -> Any:
    order = [0, *(1 + rng.permutation(len(shape)))]
    return "Transpose", [x], {"perm": [int(n) for n in order]}


def squeeze(network: Network, x: str, shape: tuple[int, ...], rng: Rng) -> Any:
    kind, axis = pick(rng, ["Squeeze", "Unsqueeze"]), int(rng.integers(-2, 5))
    if network.opset >= 13:
        return kind, [x, network.constant(np.array([axis]))], {}
    return kind, [x], {"axes": [axis]}


def cut(network: Network, x: str, shape: tuple[int, ...], rng: Rng) -> Any:
    axis = int(rng.integers(1, len(shape) + 1))
    if rng.random() < 0.3:
        places = rng.integers(-shape[axis - 1], shape[axis - 1], int(rng.integers(1, 4)))
        return "Gather", [x, network.constant(pick(rng, [places, places[0]]))], {"axis": axis}
    if network.opset < 10:
        return None
    start, end, step = pick(rng, [0, 1, -2]), pick(rng, [3, 2**31 - 1, -1, 2**63 - 1]), pick(rng, [1, 2, 3])
    if rng.random() < 0.2:
        start, end, step = -1, -(2**31), -1
    return "Slice", [x, *(network.constant(np.array([n])) for n in (start, end, axis, step))], {}


def split(network: Network, x: str, shape: tuple[int, ...], rng: Rng) -> Any:
    axis = int(rng.integers(1, len(shape) + 1))
    return "Split", [x], {"axis": axis} | ({"num_outputs": 2} if network.opset >= 18 else {})


def pad(network: Network, x: str, shape: tuple[int, ...], rng: Rng) -> Any:
    amounts = [int(n) for n in rng.integers(pick(rng, [0, 0, -1]), pick(rng, [2, 3]), 2 * len(shape))]
    if len(shape) < 3 and rng.random() < 0.8:
        return None
    before, after = [0, *amounts[: len(shape)]], [0, *amounts[len(shape) :]]
    if network.opset >= 11:
        return "Pad", [x, network.constant(np.array([*before, *after]))], {}
    return "Pad", [x], {"pads": [*before, *after]}


def enlarge(network: Network, x: str, shape: tuple[int, ...], rng: Rng) -> Any:
    if len(shape) != 3 or network.opset < 11:
        return None
    scales = [1.0, 1.0, pick(rng, [1.0, 2.0, 3.0, 0.5, 1.5]), pick(rng, [1.0, 2.0, 3.0, 0.5])]
    how = {
        "mode": pick(rng, [*5 * ["nearest"], "linear"]),
        "coordinate_transformation_mode": pick(rng, ["asymmetric", "half_pixel", "align_corners"]),
        "nearest_mode": pick(rng, ["floor", "round_prefer_floor", "ceil"]),
    }
    roi = network.constant(np.zeros(0, np.float32))
    return "Resize", [x, roi, network.constant(np.array(scales, np.float32))], how


def softmax(network: Network, x: str, shape: tuple[int, ...], rng: Rng) -> Any:
    kind = pick(rng, ["Softmax", "LogSoftmax", "ArgMax", "Sigmoid"])
    if kind == "Sigmoid":
        return kind, [x], {}
    return kind, [x], {"axis": pick(rng, [1, 1, -1])} | ({"keepdims": int(rng.integers(2))} if kind == "ArgMax" else {})


def foreign(network: Network, x: str, shape: tuple[int, ...], rng: Rng) -> Any:
    """What cannot become spikes, or only after tailoring."""
    if rng.random() < 0.7:
        return None
    return pick(rng, ["Abs", "Neg", "Tanh", "Sigmoid", "Elu", "Exp", "Sqrt", "HardSigmoid", "Softmax", "Cast"]), [x], {}


OPERATORS = (
    conv, conv, conv, pool, pool, activation, activation, activation, batch_norm, arithmetic, arithmetic, junction,
    concat, whole_map, reduce, gemm, matmul, flatten, reshape, transpose, squeeze, cut, split, pad, enlarge, qcfs,
    foreign,
)  # fmt: skip
