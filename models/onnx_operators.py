"""Which ONNX operator is read by which function, and what to do about those that cannot become spikes."""

from __future__ import annotations

from collections.abc import Callable

from models import onnx_activations, onnx_arithmetic, onnx_parts, onnx_shapes, onnx_windows
from models.onnx_node import Node, Value
from models.onnx_trace import Trace

OPERATORS: dict[str, Callable[[Trace, Node], Value]] = {
    "Add": onnx_arithmetic.add,
    "BatchNormalization": onnx_arithmetic.batch_normalization,
    "Concat": onnx_arithmetic.concat,
    "Div": onnx_arithmetic.divide,
    "Gemm": onnx_arithmetic.gemm,
    "MatMul": onnx_arithmetic.matmul,
    "Mul": onnx_arithmetic.multiply,
    "Sub": onnx_arithmetic.subtract,
    "Sum": onnx_arithmetic.junction,
    "Clip": onnx_activations.clip,
    "LeakyRelu": onnx_activations.leaky_relu,
    "Min": onnx_activations.minimum,
    "PRelu": onnx_activations.prelu,
    "Relu": onnx_activations.relu,
    "AveragePool": onnx_windows.average_pool,
    "Conv": onnx_windows.convolution,
    "GlobalAveragePool": onnx_windows.global_average_pool,
    "GlobalMaxPool": onnx_windows.global_max_pool,
    "MaxPool": onnx_windows.max_pool,
    "Pad": onnx_windows.pad,
    "ReduceMean": onnx_windows.reduce_mean,
    "Slice": onnx_parts.every_nth,
    "ArgMax": onnx_shapes.readout,
    "Cast": onnx_shapes.cast,
    "CastLike": onnx_shapes.cast_like,
    "Dropout": onnx_shapes.passed_on,
    "Flatten": onnx_shapes.flatten,
    "Identity": onnx_shapes.passed_on,
    "LogSoftmax": onnx_shapes.readout,
    "Normalizer": onnx_shapes.readout,
    "Reshape": onnx_shapes.reshape,
    "Shape": onnx_shapes.shape_of,
    "Softmax": onnx_shapes.readout,
    "Squeeze": onnx_shapes.squeeze,
    "Transpose": onnx_shapes.transpose,
    "ZipMap": onnx_shapes.readout,
}

READOUT_FOLLOWERS = (
    "ArgMax", "ArrayFeatureExtractor", "Cast", "Flatten", "Identity", "Normalizer", "Reshape", "Squeeze", "Unsqueeze",
    "ZipMap",
)  # fmt: skip

SMOOTH = ("Celu", "Elu", "Erf", "Gelu", "HardSwish", "Mish", "Selu", "Sigmoid", "Softplus", "Softsign", "Swish", "Tanh")
NORMS = ("GroupNormalization", "InstanceNormalization", "LayerNormalization", "LRN", "LpNormalization")
QUANTISED = ("DequantizeLinear", "DynamicQuantizeLinear", "QLinearConv", "QLinearMatMul", "QuantizeLinear")
REWRITABLE = ("Abs", "HardSigmoid", "Max", "Neg")

ADVICE = {
    **dict.fromkeys(SMOOTH, "train with ReLU instead"),
    "Elu": "train with ReLU or LeakyRelu instead",
    "Sigmoid": "train with ReLU, and with one output per class and a softmax instead of a single sigmoid",
    **dict.fromkeys(NORMS, "train with batch normalisation instead"),
    **dict.fromkeys(QUANTISED, "export the network before it is quantised"),
    **dict.fromkeys(REWRITABLE, "`python -m models.tailor` may write it with operators that can, exactly"),
    **dict.fromkeys(("GRU", "LSTM", "RNN", "Loop", "Scan"), "only feed-forward networks are possible"),
    **dict.fromkeys(("If", "Where"), "export the network without a branch that depends on the images"),
    **dict.fromkeys(("Resize", "Upsample"), "train without enlarging maps"),
    **dict.fromkeys(("Gather", "Split"), "train layers of their own instead of parts of one"),
    "ConvTranspose": "export the network without transposed convolutions",
}
