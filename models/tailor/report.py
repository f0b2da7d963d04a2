"""A verdict on every node of an ONNX file: whether it becomes spikes, is rewritten, or needs another training.

All that can be written exactly in operators that become spikes is. The rest needs training: ReLU for tanh, averages for
max pooling.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import pandas as pd

from models.graph import INPUT, Add, AvgPool2d, Concat, Flatten, Graph, GraphError, Layer, MaxPool2d, Shape, Upsample2d
from models.onnx_io import BehindLogits, Missing, OnnxError, Rounded, Signal, finish, free_name, naming, read
from models.structure import negative_senders, passes_to_junctions
from models.tailor.file import File
from models.tailor.rewrites import rewrite
from models.tailor.walk import Step, Walk, walk
from models.text import align

SPIKES, AWAY, FOLDED, REWRITTEN = "becomes spikes", "falls away", "folded", "rewritten exactly"
OBSTACLE, UNKNOWN = "stands in the way", "not judged"
COLUMNS = ("node", "operator", "verdict", "explanation")
Verdict = tuple[str, str]


def tailor(path: str | Path, until: str | None = None) -> tuple[pd.DataFrame, onnx.ModelProto]:
    """What becomes of each node of an ONNX file, and the same function with every exact rewrite applied.

    Parameters
    ----------
    until : str, optional
        The tensor, or the node, that the network ends with; what is not needed for it is cut off.

    Returns
    -------
    DataFrame
        Columns `COLUMNS`, a row per node in the order of the file, and one for the file as a whole if all its nodes
        are possible but not together. The verdict is one of "becomes spikes", "falls away", "folded", "rewritten
        exactly", "stands in the way", and "not judged" for what lies behind an obstacle that hides it.
    ModelProto
        Rewritten by `models.tailor.rewrites.RULES`.

    Raises
    ------
    OnnxError
        If the file cannot be read, or as a whole not be followed: its opset, or the number or shape of its inputs.
        If nothing is called `until`.
    """
    with naming(path):
        return _report(read(path, until))


def as_text(table: pd.DataFrame) -> str:
    """The report in columns."""
    return align([[column.upper() for column in COLUMNS], *table.itertuples(index=False)])


def _report(model: onnx.ModelProto) -> tuple[pd.DataFrame, onnx.ModelProto]:
    original = walk(model)
    file = rewrite(original)
    after = walk(file.to_model())
    graph, problem = _graph(after)
    judged = graph or _all_layers(after)
    verdicts = {output: _verdict(step, after, judged) for output, step in after.steps.items()}
    verdicts |= _negative(after, judged)
    rows = []
    for step in original.steps.values():
        name, operator = step.node.proto.name or step.output, step.node.operator
        rows.append((name, operator, *_of_original(step.output, file, verdicts)))
    if problem and not any(row[2] == OBSTACLE for row in rows):
        rows.append(("", "", OBSTACLE, problem))
    return pd.DataFrame(rows, columns=list(COLUMNS)), after.model


def _graph(after: Walk) -> tuple[Graph | None, str]:
    try:
        return finish(after.model, after.trace, after.values), ""
    except (OnnxError, GraphError) as error:
        return None, str(error)


@dataclass(frozen=True, eq=False, kw_only=True)
class End(Add):
    """Reads all that nothing else reads, so that layers which lead nowhere can be judged too."""

    def output_shape(self, *shapes: Shape) -> Shape:
        return (1,)


def _all_layers(after: Walk) -> Graph | None:
    """Whatever layers there are as one graph, where the file as a whole is none."""
    layers = tuple(after.trace.layers.values())
    read = {name for layer in layers for name in layer.inputs}
    loose = tuple(layer.name for layer in layers if layer.name not in read)
    try:
        return Graph(after.trace.shapes[INPUT], (*layers, End(name=free_name("end", after.trace.shapes), inputs=loose)))
    except GraphError:
        return None


def _of_original(output: str, file: File, verdicts: dict[str, Verdict]) -> Verdict:
    """The verdict on a node of the original file; one that was rewritten is as good as the nodes in its place."""
    stems = [verdicts[new] for new, origin in file.origins.items() if origin == output and new in verdicts]
    for verdict in (*stems, verdicts.get(output, (AWAY, "nothing reads it"))):
        if verdict[0] in (OBSTACLE, UNKNOWN):
            return verdict
    if output in file.notes:
        return REWRITTEN, file.notes[output]
    return verdicts.get(output, (AWAY, "nothing reads it"))


def _verdict(step: Step, after: Walk, graph: Graph | None) -> Verdict:
    layers = after.trace.layers
    if step.obstacle:
        return OBSTACLE, step.obstacle
    match step.value:
        case Missing():
            return UNKNOWN, "lies behind an obstacle"
        case Rounded():
            return FOLDED, "into the activation function of the layer that it rounds"
        case BehindLogits() if step.made:
            return SPIKES, "; ".join(_describe(layers[name], after, graph) for name in step.made)
        case BehindLogits():
            return AWAY, "stands behind the logits"
        case Signal() if any(not isinstance(layers[name], Flatten) for name in step.made):
            made = [layers[name] for name in step.made if not isinstance(layers[name], Flatten)]
            return SPIKES, "; ".join(_describe(layer, after, graph) for layer in made)
        case Signal() if step.changed:
            return FOLDED, f"into {', '.join(map(repr, step.changed))}"
        case Signal() if not step.made and not _passes(step):
            return FOLDED, f"into {', '.join(map(repr, _into(step.output, after))) or 'what reads it'}"
    return AWAY, "changes no value" if isinstance(step.value, Signal) else "a constant"


def _passes(step: Step) -> bool:
    """Whether what a node makes is one of its inputs, as it was."""
    return any(value is step.value for value in step.node.inputs)


def _into(output: str, after: Walk) -> list[str]:
    """The layers that take up what waits in a signal: those of its readers, or of their readers."""
    found: list[str] = []
    pending, seen = [output], {output}
    while pending:
        name = pending.pop(0)
        for step in (step for step in after.steps.values() if name in step.node.proto.input):
            found += step.made or step.changed
            if not (step.made or step.changed or step.output in seen):
                seen.add(step.output)
                pending.append(step.output)
    return list(dict.fromkeys(found))


def _describe(layer: Layer, after: Walk, graph: Graph | None) -> str:
    shape = after.trace.shapes[layer.name]
    where = f"{layer.name!r}, {' x '.join(map(str, shape))} "
    match layer:
        case MaxPool2d():
            return where + "relays of the unit with most spikes; fewer spikes with average pooling (needs training)"
        case AvgPool2d():
            return where + "neurons, or none if folded into the next layer"
        case Concat() | Upsample2d():
            return where + "relays"
        case Add():
            return where + "neurons that add spike trains"
    if graph is not None and layer in graph.layers and passes_to_junctions(graph, layer):
        return f"{layer.name!r}, weights that reach a junction without neurons of their own"
    biased = getattr(layer, "bias", None) is not None
    ceiling = np.asarray(layer.activation.ceiling)
    return (
        where
        + "neurons"
        + ", biases as constant currents (Cao 2015 trains without)" * biased
        + (f", the ceiling {ceiling.max():g} as their largest rate" if not np.all(np.isinf(ceiling)) else "")
    )


def _negative(after: Walk, graph: Graph | None) -> dict[str, Verdict]:
    """A verdict on each node whose layer would have to send negative spikes."""
    verdicts = {}
    for layer, reader in negative_senders(graph) if graph is not None else []:
        if isinstance(reader, End):
            continue
        step = [step for step in after.steps.values() if layer.name in (*step.made, *step.changed)][-1]
        slope = np.max(np.abs(layer.activation.negative_slope))
        remedy = "signed neurons can send both"
        remedy += f", or train with ReLU instead of a slope of {slope:g}" * bool(slope != 1)
        why = f"{layer.name!r} can be negative and {reader.name!r} reads it, but neurons send only positive spikes"
        verdicts[step.output] = OBSTACLE, f"{why}; {remedy}"
    return verdicts
