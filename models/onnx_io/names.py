"""Names of layers: readable, unique, and usable as the name of a column or a variable.

The path of the module is taken from the weight's name ("layer1.0.conv1.weight" -> layer1_0_conv1) or the node's
("/layer1/layer1.0/conv1/Conv" -> the same); what adds nothing ("/0/Conv", "node_conv2d_3", "MatMul1") becomes the kind
of layer and a number (conv_0, conv_1, fc_1). Files that `models.onnx_io.writing` wrote keep their names.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence


def layer_name(kind: str, operator: str, node: str, constants: Sequence[str], taken: Collection[str]) -> str:
    """A free name for a layer.

    Parameters
    ----------
    kind : str
        What it is: "conv", "fc", "pool", ...
    operator, node : str
        The ONNX operator, and the name of its node.
    constants : sequence of str
        The names of the tensors that the node reads.
    taken : collection of str
        The names that other layers bear.
    """
    path = _weight_path(constants) if kind in ("conv", "fc") else []
    words = re.findall(r"[A-Za-z0-9_]+", ".".join(path or _node_path(operator, node)))
    if words and kind not in ("conv", "fc") and kind not in words[-1].lower():
        words.append(kind)
    if words and words[0][0].isdigit():
        words.insert(0, kind)
    return free_name("_".join(words), taken) if words else _add_number(kind, 1, taken)


def free_name(name: str, taken: Collection[str]) -> str:
    """The name itself, or with the first number from 2 on that nobody bears."""
    return name if name not in taken else _add_number(name, 2, taken)


def _add_number(stem: str, number: int, taken: Collection[str]) -> str:
    while f"{stem}_{number}" in taken:
        number += 1
    return f"{stem}_{number}"


def _weight_path(constants: Sequence[str]) -> list[str]:
    return next((name.split(".")[:-1] for name in constants if re.fullmatch(r"[\w.]+\.weight", name)), [])


def _node_path(operator: str, node: str) -> list[str]:
    """The modules in the name of a node, each once: torch repeats the parent in "/layer1/layer1.0/conv1/Conv"."""
    *modules, last = node.strip("/").split("/")
    if not re.fullmatch(rf"({operator}_?\d*|node_.*|n?\d*)", last):
        modules.append(last)
    path: list[str] = []
    for module in modules:
        parent = path[-1] if path else None
        path[len(path) - (parent is not None and module.startswith(f"{parent}.")) :] = [module]
    return path
