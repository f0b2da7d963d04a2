"""What a network is: frozen layers in a directed acyclic graph, with shapes checked at construction.

Shapes follow ONNX: a map is (channels, height, width), a vector is (features,), and images come in
batches in front of that. Nothing here computes; onnxruntime does (`models.onnx_io.predict`), and the spiking
engine (`conversion`) reads the same layers.
"""

from models.graph.graph import Graph, sequential
from models.graph.layers import (
    INPUT,
    LINEAR,
    RELU,
    Activation,
    Add,
    Array,
    AvgPool2d,
    Concat,
    Conv2d,
    Dense,
    Flatten,
    GraphError,
    Layer,
    MaxPool2d,
    Pool2d,
    Shape,
    Upsample2d,
)

__all__ = [
    "INPUT",
    "LINEAR",
    "RELU",
    "Activation",
    "Add",
    "Array",
    "AvgPool2d",
    "Concat",
    "Conv2d",
    "Dense",
    "Flatten",
    "Graph",
    "GraphError",
    "Layer",
    "MaxPool2d",
    "Pool2d",
    "Shape",
    "Upsample2d",
    "sequential",
]
