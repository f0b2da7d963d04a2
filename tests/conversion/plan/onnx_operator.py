"""One operator of onnxruntime, the oracle of the connections, and geometries to try it on."""

from __future__ import annotations

import numpy as np
import onnxruntime
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

FEW = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much]
)


def onnx_map(operator, shape, weight=None, **attributes):
    """All one-hot images of `shape` through one operator of onnxruntime: (n_source, *target_shape)."""
    n = int(np.prod(shape))
    return onnx_apply(operator, np.eye(n, dtype=np.float32).reshape(n, *shape), weight, **attributes)


def onnx_apply(operator, x, weight=None, **attributes):
    names = ["x"] if weight is None else ["x", "w"]
    constants = [] if weight is None else [numpy_helper.from_array(weight, "w")]
    graph = helper.make_graph(
        [helper.make_node(operator, names, ["y"], **attributes)],
        "one operator",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, x.shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, {"x": x})[0]


@st.composite
def geometry(draw):
    pair = st.tuples
    small = st.integers(1, 3)
    shape = (draw(st.integers(1, 2)) * 2, draw(st.integers(3, 8)), draw(st.integers(3, 8)))
    return {
        "shape": shape,
        "kernel": draw(pair(st.integers(1, 4), st.integers(1, 4))),
        "stride": draw(pair(small, small)),
        "padding": draw(pair(*[st.integers(0, 2)] * 4)),
        "dilation": draw(pair(small, small)),
        "groups": draw(st.sampled_from([1, 2])),
    }


def pool_fits(g):
    size = g["shape"][1:]
    fits = all(s + g["padding"][a] + g["padding"][a + 2] >= g["kernel"][a] for a, s in enumerate(size))
    return fits and all(g["padding"][a] < g["kernel"][a % 2] for a in range(4))
