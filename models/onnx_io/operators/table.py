"""Which ONNX operator is read by which function, and what to do about those that cannot become spikes."""

from __future__ import annotations

from collections.abc import Callable

from models.onnx_io.node import Node, Value
from models.onnx_io.operators import activations, arithmetic, kernels, logits, resizing, shapes
from models.onnx_io.signals import Signal
from models.onnx_io.trace import Trace

OPERATORS: dict[str, Callable[[Trace, Node], Value | tuple[Signal, ...]]] = {
    "Add": kernels.in_rows(arithmetic.add),
    "BatchNormalization": arithmetic.batch_normalization,
    "Concat": arithmetic.concat,
    "Div": arithmetic.divide,
    "Gemm": arithmetic.gemm,
    "MatMul": arithmetic.matmul,
    "Mul": arithmetic.multiply,
    "Sub": arithmetic.subtract,
    "Mean": arithmetic.mean,
    "Sum": kernels.in_rows(arithmetic.junction),
    "Clip": activations.clip,
    "Floor": activations.floor,
    "LeakyRelu": activations.leaky_relu,
    "Max": activations.maximum,
    "Min": activations.minimum,
    "PRelu": activations.prelu,
    "Relu": activations.relu,
    "AveragePool": kernels.in_rows(kernels.average_pool),
    "Conv": kernels.in_rows(kernels.convolution),
    "GlobalAveragePool": kernels.in_rows(kernels.global_average_pool),
    "GlobalMaxPool": kernels.in_rows(kernels.global_max_pool),
    "MaxPool": kernels.in_rows(kernels.max_pool),
    "Pad": kernels.pad,
    "ReduceMax": kernels.reduce_max,
    "ReduceMean": kernels.reduce_mean,
    "ReduceSum": kernels.reduce_sum,
    "Resize": resizing.resize,
    "Scaler": arithmetic.scaler,
    "Upsample": resizing.resize,
    "Gather": shapes.gather,
    "Slice": shapes.every_nth,
    "SpaceToDepth": shapes.space_to_depth,
    "Split": shapes.split,
    "ArgMax": logits.stand_behind_logits,
    "Cast": shapes.cast,
    "CastLike": shapes.cast_like,
    "Dropout": shapes.dropout,
    "Flatten": shapes.flatten,
    "Identity": shapes.pass_on,
    "LogSoftmax": logits.stand_behind_logits,
    "Normalizer": logits.stand_behind_logits,
    "Reshape": shapes.reshape,
    "Shape": shapes.shape_of,
    "Sigmoid": logits.stand_behind_logits,
    "Softmax": logits.stand_behind_logits,
    "Squeeze": shapes.squeeze,
    "Transpose": shapes.transpose,
    "Unsqueeze": shapes.unsqueeze,
    "ZipMap": logits.stand_behind_logits,
}

SMOOTH = ("Celu", "Elu", "Erf", "Gelu", "HardSwish", "Mish", "Selu", "Sigmoid", "Softplus", "Softsign", "Swish", "Tanh")
NORMS = ("GroupNormalization", "InstanceNormalization", "LayerNormalization", "LRN", "LpNormalization")
QUANTISED = ("DequantizeLinear", "DynamicQuantizeLinear", "QLinearConv", "QLinearMatMul", "QuantizeLinear")
REWRITABLE = ("Abs", "HardSigmoid", "Neg")

ADVICE = {
    **dict.fromkeys(SMOOTH, "train with ReLU instead"),
    "Elu": "train with ReLU or LeakyRelu instead",
    **dict.fromkeys(NORMS, "train with batch normalisation instead"),
    **dict.fromkeys(QUANTISED, "export the network before it is quantised"),
    **dict.fromkeys(REWRITABLE, "`brianize tailor` may write it with operators that can, exactly"),
    **dict.fromkeys(("GRU", "LSTM", "RNN", "Loop", "Scan"), "only feed-forward networks are possible"),
    **dict.fromkeys(("If", "Where"), "export the network without a branch that depends on the images"),
    "Round": "write floor(x + 1/2) in its place, which differs from it at halves alone",
    "DepthToSpace": "enlarge with Resize (nearest) and a convolution instead",
    "ConvTranspose": "export the network without transposed convolutions",
}
