"""What may be wrong with an ONNX file: one change each, of nodes, numbers, shapes, types, names, or bytes."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from tests.fuzz.outcome import pick

Rng = np.random.Generator
Model = onnx.ModelProto

HUGE = (0, -1, 2, 3, 10**9, 2**31, 2**62, -(2**63))
GEOMETRY = ("pads", "strides", "dilations", "kernel_shape", "group", "auto_pad", "ceil_mode", "count_include_pad")
OTHERS = (
    "axis", "axes", "perm", "alpha", "beta", "transA", "transB", "keepdims", "to", "mode", "epsilon", "allowzero",
    "training_mode", "value", "min", "max", "num_outputs", "storage_order", "noop_with_empty_axes", "nonsense",
)  # fmt: skip
NUMBERS = (0, -0.0, 1, -1, 2.0, 0.5, 1e-30, 1e10, 1e30, 3.4e38, float("nan"), float("inf"), float("-inf"))
KINDS = (TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.DOUBLE, TensorProto.INT64, TensorProto.INT8,
TensorProto.UINT8,
         TensorProto.BOOL, TensorProto.STRING, TensorProto.BFLOAT16, TensorProto.UNDEFINED, 99)  # fmt: skip
DTYPES = ("float16", "float64", "int64", "int8", "uint8", "bool", "int32", "complex64")
SHAPES = ((), (0,), (1,), (3,), (2, 2), (1, 1), (0, 4), (4, 0, 3, 3), (1, 1, 3, 3), (2, 1, 1, 1, 1))
OPERATORS = (
    "Abs", "Add", "ArgMax", "AveragePool", "BatchNormalization", "Cast", "CastLike", "Clip", "Concat", "Constant",
    "SpaceToDepth", "Mean", "ReduceSum", "Round",
    "ConstantOfShape", "Conv", "ConvTranspose", "DequantizeLinear", "Div", "Dropout", "Elu", "Expand", "Flatten",
    "Floor",
    "Gather", "Gemm", "GlobalAveragePool", "GlobalMaxPool", "Identity", "If", "LSTM", "LeakyRelu", "LogSoftmax", "Loop",
    "MatMul", "Max", "MaxPool", "Min", "Mul", "Neg", "PRelu", "Pad", "ReduceMax", "ReduceMean", "Relu", "Reshape",
    "Resize",
    "Scaler", "Shape", "Sigmoid", "Slice", "Softmax", "Split", "Squeeze", "Sub", "Sum", "Transpose", "Unsqueeze",
    "Upsample", "Where", "ZipMap", "Nonsense", "", "Räuber",
)  # fmt: skip
NAMES = ("", "x", "y", "input", "a b", "a\nb", "a/b.c", "ä→☃", "%s{0}", "n" * 300, "input_1", "../up")


def attribute(model: Model, rng: Rng) -> None:
    """Another value of an attribute, or one more."""
    node = _node(model, rng)
    name = pick(rng, [*(a.name for a in node.attribute), pick(rng, GEOMETRY), pick(rng, OTHERS)])
    _set(node, name, _some_value(rng))


def geometry(model: Model, rng: Rng) -> None:
    """Plausible numbers for a kernel, so that much of it loads."""
    node = _node(model, rng, "Conv", "MaxPool", "AveragePool", "Pad")
    name, axes = pick(rng, GEOMETRY), pick(rng, [2, 2, 2, 1, 3])
    lists = {"pads": 2 * axes, "strides": axes, "dilations": axes, "kernel_shape": axes}
    if name in lists:
        _set(node, name, [int(n) for n in rng.integers(int(name != "pads"), 4, lists[name])])
    elif name == "auto_pad":
        _set(node, name, pick(rng, ["SAME_UPPER", "SAME_LOWER", "VALID", "NOTSET", "SAME", ""]))
    else:
        _set(node, name, int(pick(rng, [0, 1, 2, 3])))


def axes(model: Model, rng: Rng) -> None:
    """Another axis, order or flag."""
    node = _node(model, rng)
    name = pick(rng, ["axis", "axes", "perm", "keepdims", "transA", "transB", "alpha", "beta", "allowzero", "mode"])
    some = [int(pick(rng, [0, 1, 2, 3, -1, -2, -3])) for _ in range(int(rng.integers(1, 4)))]
    values = {
        "axes": some, "perm": [int(n) for n in rng.permutation(pick(rng, [2, 3, 4]))], "alpha": pick(rng,
        NUMBERS) + 0.0,
        "beta": pick(rng, NUMBERS) + 0.0, "mode": pick(rng, ["nearest", "linear", "reflect", "edge", "constant"]),
    }  # fmt: skip
    _set(node, name, values.get(name, some[0]))


def small_constant(model: Model, rng: Rng) -> None:
    """Other numbers where a Reshape, Slice, Pad or Squeeze is told what to do."""
    tensor = _tensor(model, rng, lambda t: t.data_type == TensorProto.INT64)
    values = np.atleast_1d(numpy_helper.to_array(tensor)).copy()
    if values.dtype != np.int64 or not values.size:
        return
    how = rng.random()
    if how < 0.6:
        values[int(rng.integers(values.size))] = pick(rng, [0, 1, -1, 2, 3, -2, 4, 10**6, 2**62])
    elif how < 0.8:
        values = np.append(values, pick(rng, [0, 1, -1]))
    else:
        values = rng.permutation(values)[: int(rng.integers(1, values.size + 1))]
    tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))


def no_attribute(model: Model, rng: Rng) -> None:
    node = _node(model, rng)
    if node.attribute:
        node.attribute.remove(pick(rng, list(node.attribute)))


def rewired(model: Model, rng: Rng) -> None:
    """An input read from elsewhere."""
    node = _node(model, rng)
    names = [n for other in model.graph.node for n in (*other.input, *other.output)]
    if node.input:
        node.input[int(rng.integers(len(node.input)))] = pick(rng, [*names, "", "x", "nowhere"])


def one_input(model: Model, rng: Rng) -> None:
    """An input more or less."""
    node = _node(model, rng)
    if rng.random() < 0.5 and node.input:
        del node.input[int(rng.integers(len(node.input)))]
    else:
        node.input.append(pick(rng, [n for other in model.graph.node for n in other.input] + [""]))


def one_output(model: Model, rng: Rng) -> None:
    node = _node(model, rng)
    if rng.random() < 0.3 and node.output:
        del node.output[:]
    else:
        node.output.append(pick(rng, ["more", "", *node.output]))


def operator(model: Model, rng: Rng) -> None:
    present = [node.op_type for node in model.graph.node]
    _node(model, rng).op_type = pick(rng, [*OPERATORS, *present])


def domain(model: Model, rng: Rng) -> None:
    name = pick(rng, ["ai.onnx.ml", "com.microsoft", "mine", "ai.onnx"])
    _node(model, rng).domain = name
    if rng.random() < 0.7:
        model.opset_import.append(helper.make_opsetid(name, int(pick(rng, [1, 2, 3]))))


def without_a_node(model: Model, rng: Rng) -> None:
    """A node left out; what read it reads its input, or nothing."""
    place = int(rng.integers(len(model.graph.node)))
    gone = model.graph.node[place]
    source, made = next(iter(gone.input), ""), set(gone.output)
    del model.graph.node[place]
    if rng.random() < 0.8:
        for node in model.graph.node:
            node.input[:] = [source if name in made else name for name in node.input]
        for output in model.graph.output:
            output.name = source if output.name in made else output.name


def a_node_twice(model: Model, rng: Rng) -> None:
    """The same operation once more behind itself, or a copy of the very node."""
    place = int(rng.integers(len(model.graph.node)))
    copy = onnx.NodeProto()
    copy.CopyFrom(model.graph.node[place])
    if rng.random() < 0.8 and copy.input and copy.output:
        old = copy.output[0]
        copy.name, copy.input[0], copy.output[0] = f"{copy.name}again", old, f"{old}again"
        for node in model.graph.node:
            node.input[:] = [copy.output[0] if name == old else name for name in node.input]
    model.graph.node.insert(place + 1, copy)


def order_of_nodes(model: Model, rng: Rng) -> None:
    nodes = list(model.graph.node)
    a, b = (int(rng.integers(len(nodes))) for _ in range(2))
    nodes[a], nodes[b] = nodes[b], nodes[a]
    copied = [onnx.NodeProto.FromString(node.SerializeToString()) for node in nodes]
    del model.graph.node[:]
    model.graph.node.extend(copied)


def name(model: Model, rng: Rng) -> None:
    """Another name of a node, or of a tensor everywhere."""
    new = pick(rng, [*NAMES, *(node.name for node in model.graph.node)])
    if rng.random() < 0.4:
        _node(model, rng).name = new
        return
    old = pick(rng, [n for node in model.graph.node for n in (*node.input, *node.output)] or [""])
    for node in model.graph.node:
        node.input[:] = [new if n == old else n for n in node.input]
        node.output[:] = [new if n == old else n for n in node.output]
    for thing in (*model.graph.initializer, *model.graph.input, *model.graph.output):
        thing.name = new if thing.name == old else thing.name


def value(model: Model, rng: Rng) -> None:
    """One weight, or all of a tensor, another number."""
    tensor = _tensor(model, rng)
    values = numpy_helper.to_array(tensor).copy()
    number = pick(rng, NUMBERS)
    if values.dtype.kind != "f" or not values.size:
        return
    with np.errstate(over="ignore"):
        if rng.random() < 0.6:
            values.reshape(-1)[int(rng.integers(values.size))] = number
        else:
            values = (values * 0 + number).astype(values.dtype)
    tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))


def weight_shape(model: Model, rng: Rng) -> None:
    tensor = _tensor(model, rng)
    values = numpy_helper.to_array(tensor)
    transposed = values.T if rng.random() < 0.3 else np.resize(values, pick(rng, SHAPES))
    tensor.CopyFrom(numpy_helper.from_array(np.ascontiguousarray(transposed), tensor.name))


def weight_type(model: Model, rng: Rng) -> None:
    tensor = _tensor(model, rng)
    if rng.random() < 0.3:
        tensor.data_type = pick(rng, KINDS)
        return
    with np.errstate(all="ignore"):
        values = np.nan_to_num(numpy_helper.to_array(tensor)).astype(pick(rng, DTYPES))
    tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))


def weight_storage(model: Model, rng: Rng) -> None:
    """Raw bytes that are too few, sizes that lie, data that lie elsewhere."""
    tensor, how = _tensor(model, rng), pick(rng, ["bytes", "dims", "external", "gone", "twice"])
    if how == "bytes":
        tensor.raw_data = tensor.raw_data[: int(rng.integers(len(tensor.raw_data) + 1))]
    elif how == "dims":
        tensor.dims[:] = [int(pick(rng, HUGE)) for _ in range(int(rng.integers(4)))]
    elif how == "external":
        tensor.ClearField("raw_data")
        tensor.data_location = TensorProto.EXTERNAL
        where = pick(rng, ["none.data", "../up.data", "/etc/hostname", "", ".", "network.onnx", "a\0b"])
        for key, text in (("location", where), ("offset", pick(rng, ["0", "-1", "x", "99999999999999999999"]))):
            entry = tensor.external_data.add()
            entry.key, entry.value = key, text
    elif how == "gone":
        model.graph.initializer.remove(tensor)
    else:
        model.graph.initializer.append(tensor)


def type_of_all(model: Model, rng: Rng) -> None:
    """The whole network in another float type."""
    dtype, kind = pick(rng, [("float16", TensorProto.FLOAT16), ("float64", TensorProto.DOUBLE)])
    for tensor in model.graph.initializer:
        values = numpy_helper.to_array(tensor)
        if values.dtype == np.float32:
            with np.errstate(over="ignore"):
                tensor.CopyFrom(numpy_helper.from_array(values.astype(dtype), tensor.name))
    for value in (*model.graph.input, *model.graph.output, *model.graph.value_info):
        if value.type.tensor_type.elem_type == TensorProto.FLOAT:
            value.type.tensor_type.elem_type = kind


def declared(model: Model, rng: Rng) -> None:
    """What the input or an output says about its shape or type."""
    thing = pick(rng, [*model.graph.input, *model.graph.output])
    dims, how = thing.type.tensor_type.shape.dim, rng.random()
    if how < 0.3:
        thing.type.tensor_type.elem_type = pick(rng, KINDS)
    elif how < 0.4:
        thing.type.Clear()
    elif how < 0.5:
        del dims[int(rng.integers(len(dims) + 1)) :]
    elif how < 0.6:
        dims.add().dim_value = int(pick(rng, [1, 2, 0]))
    elif dims:
        one = dims[int(rng.integers(len(dims)))]
        if rng.random() < 0.3:
            one.dim_param = pick(rng, ["batch", "n", ""])
        else:
            one.dim_value = int(pick(rng, [*HUGE, 1, 1, 2, 4, 5, 6, 7]))


def ends(model: Model, rng: Rng) -> None:
    """Inputs and outputs of the graph: another, one more, none."""
    graph, how = model.graph, pick(rng, ["output", "one more", "none", "input", "no input", "weight"])
    made = [n for node in graph.node for n in node.output if n] or ["x"]
    if how == "output" and graph.output:
        graph.output[0].CopyFrom(onnx.ValueInfoProto(name=pick(rng, made)))
        graph.output[0].type.tensor_type.elem_type = TensorProto.FLOAT
    elif how == "one more":
        graph.output.append(helper.make_tensor_value_info(pick(rng, [*made, "x"]), TensorProto.FLOAT, None))
    elif how == "none":
        del graph.output[:]
    elif how == "input":
        graph.input.append(helper.make_tensor_value_info("more", TensorProto.FLOAT, ["batch", 3]))
    elif how == "no input":
        del graph.input[:]
    elif graph.initializer:
        tensor = pick(rng, list(graph.initializer))
        graph.input.append(helper.make_tensor_value_info(tensor.name, tensor.data_type, list(tensor.dims)))


def versions(model: Model, rng: Rng) -> None:
    how = rng.random()
    if how < 0.6 and model.opset_import:
        model.opset_import[0].version = int(pick(rng, [*range(6, 28), 0, -1, 99, 2**40]))
    elif how < 0.7:
        del model.opset_import[:]
    elif how < 0.8:
        model.opset_import.append(helper.make_opsetid("", int(pick(rng, [7, 13, 22]))))
    elif how < 0.9:
        model.producer_name = "brianize"
    else:
        model.ir_version = int(pick(rng, [0, 1, 3, 10, 13, 99]))


def constant_node(model: Model, rng: Rng) -> None:
    """A node of constants in front, read by some node."""
    made = [
        helper.make_node("Constant", [], ["new"], value=numpy_helper.from_array(np.ones(2, np.float32))),
        helper.make_node("Constant", [], ["new"], value_float=pick(rng, NUMBERS) + 0.0),
        helper.make_node("Constant", [], ["new"], value_string="word"),
        helper.make_node("RandomNormal", [], ["new"], shape=[1]),
        helper.make_node("RandomUniform", [], ["new"], shape=[2**40]),
        helper.make_node("ConstantOfShape", ["new_shape"], ["new"]),
        helper.make_node("Range", ["zero", "new_shape", "one"], ["new"]),
        helper.make_node("Shape", ["x"], ["new"]),
    ]
    model.graph.node.insert(0, pick(rng, made))
    shape = np.array(pick(rng, [[1], [3], [10**6, 10**6], [-1], [0]]))
    for name, values in (("new_shape", shape), ("zero", np.array(0)), ("one", np.array(1))):
        if name in model.graph.node[0].input:
            model.graph.initializer.append(numpy_helper.from_array(values, name))
    node = model.graph.node[int(rng.integers(len(model.graph.node)))]
    if len(node.input) > 1:
        node.input[1] = "new"


def damaged(content: bytes, rng: Rng) -> bytes:
    """Bytes cut off, changed, doubled, put in front, or nothing but noise."""
    how, place = rng.random(), int(rng.integers(len(content) + 1))
    if how < 0.3:
        return content[:place]
    if how < 0.8:
        changed = bytearray(content)
        for at in rng.integers(len(content), size=int(rng.integers(1, 5))):
            changed[int(at)] = int(rng.integers(256))
        return bytes(changed)
    if how < 0.9:
        return content[:place] + content[max(0, place - 40) :]
    return pick(
        rng, [b"", b"\0" * 64, rng.bytes(200), b"PK\x03\x04" + content, content + content, b"\xef\xbb\xbf" + content]
    )


MUTATIONS = (
    attribute, attribute, geometry, geometry, geometry, axes, axes, small_constant, small_constant, no_attribute,
    rewired,
    rewired, one_input, one_output, operator, operator, domain, without_a_node, without_a_node, a_node_twice,
    order_of_nodes,
    name, value, value, weight_shape, weight_type, weight_storage, type_of_all, declared, declared, ends, versions,
    constant_node,
)  # fmt: skip


def _some_value(rng: Rng) -> object:
    some = [int(pick(rng, HUGE)) for _ in range(int(rng.integers(1, 5)))]
    tensor = numpy_helper.from_array(np.ones(pick(rng, SHAPES), np.float32))
    texts = pick(rng, ["", "VALID", "nearest", "ä", "a\nb", b"\xff\xfe"])
    return pick(rng, [some, some[0], some[0], pick(rng, NUMBERS) + 0.0, texts, [1.0, 2.0], ["a"], tensor])


def _set(node: onnx.NodeProto, name: str, new: object) -> None:
    kept = [a for a in node.attribute if a.name != name]
    del node.attribute[:]
    node.attribute.extend([*kept, helper.make_attribute(name, new)])


def _node(model: Model, rng: Rng, *operators: str) -> onnx.NodeProto:
    fitting = [node for node in model.graph.node if node.op_type in operators]
    return pick(rng, fitting or list(model.graph.node) or [onnx.NodeProto()])


def _tensor(model: Model, rng: Rng, wanted=lambda tensor: True) -> onnx.TensorProto:
    everything = list(model.graph.initializer)
    return pick(rng, [t for t in everything if wanted(t)] or everything or [onnx.TensorProto()])
