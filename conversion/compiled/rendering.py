"""Brian2's expressions as scalar Python that computes with the precision that its numpy target has.

There a number of the code or of a namespace is weak: it takes the precision of what it meets, whereas `dt` and other
64-bit values make what they meet 64 bits wide (NEP 50). numba widens for numbers of the code too, so a weak number is
written in the type of its partner.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from typing import Literal

from brian2.core.functions import DEFAULT_FUNCTIONS, Function
from brian2.parsing.rendering import NodeRenderer

Kind = Literal["weak integer", "weak", "boolean", "integer", "float32", "float64"]
WEAK = ("weak integer", "weak")
TO_FLOAT: dict[Kind, Kind] = {"weak integer": "float64", "weak": "float64", "boolean": "float64", "integer": "float64"}
STRONG: dict[Kind, Kind] = {"weak integer": "integer", "weak": "float64"}  # what NumPy's functions return
MATHEMATICS = (
    "cos", "sin", "tan", "cosh", "sinh", "tanh", "exp", "log", "log10", "expm1", "exprel", "log1p", "sqrt", "arccos",
    "arcsin", "arctan",
)  # fmt: skip
RANDOM = ("rand", "randn")


class NotCompilable(Exception):
    """The code needs something that one loop over the neurons cannot do; Brian2's own code has to run."""


def cast(code: str, kind: Kind) -> str:
    """The code of a value, rounded to 32 bits where that is its kind."""
    return f"float32({code})" if kind == "float32" else code


def met(code: str, kind: Kind, other: Kind) -> str:
    """The code of a value of some kind where it meets one of another kind."""
    return cast(code, other) if kind in WEAK else code


def widest(*kinds: Kind) -> Kind:
    """The kind of an arithmetic result."""
    strong = [kind for kind in kinds if kind not in WEAK]
    if not strong:
        return "weak" if "weak" in kinds else "weak integer"
    if "float64" in strong or ("integer" in strong and "float32" in strong):
        return "float64"
    if "float32" in strong:
        return "float32"
    return "float64" if "weak" in kinds else "integer"


class ScalarRenderer(NodeRenderer):
    """Renders an expression for one neuron; `kinds` are those of the names in it.

    Every method returns the code in parentheses where it needs them, and its kind.
    """

    def __init__(self, functions: Mapping[str, Function], kinds: Mapping[str, Kind], place: int) -> None:
        super().__init__()
        self.functions, self.kinds, self.place = functions, kinds, place

    def render(self, expression: str) -> tuple[str, Kind]:
        return self.render_node(ast.parse(expression.strip(), mode="eval").body)

    def render_Name(self, node: ast.Name) -> tuple[str, Kind]:
        if node.id in ("True", "False"):
            return node.id, "boolean"
        return node.id, self.kinds[node.id]

    def render_Constant(self, node: ast.Constant) -> tuple[str, Kind]:
        code = super().render_Constant(node)
        if isinstance(node.value, bool):
            return code, "boolean"
        return (code, "weak integer") if isinstance(node.value, int) else (code, "weak")

    def render_UnaryOp(self, node: ast.UnaryOp) -> tuple[str, Kind]:
        code, kind = self.render_node(node.operand)
        return f"({self.expression_ops[type(node.op).__name__]} {code})", kind

    def render_BoolOp(self, node: ast.BoolOp) -> tuple[str, Kind]:
        sign = " & " if isinstance(node.op, ast.And) else " | "  # without branches
        return f"({sign.join(self.render_node(value)[0] for value in node.values)})", "boolean"

    def render_BinOp(self, node: ast.BinOp) -> tuple[str, Kind]:
        (left, left_kind), (right, right_kind) = self.render_node(node.left), self.render_node(node.right)
        kind = widest(left_kind, right_kind)
        if isinstance(node.op, ast.Div) and kind in ("integer", "weak integer"):
            kind = "float64" if kind == "integer" else "weak"
        exponent = isinstance(node.op, ast.Pow) and right_kind == "weak integer"  # numba multiplies
        right = right if exponent else met(right, right_kind, kind)
        operator = self.expression_ops[type(node.op).__name__]
        return f"({met(left, left_kind, kind)} {operator} {right})", kind

    def render_Compare(self, node: ast.Compare) -> tuple[str, Kind]:
        (left, left_kind), (right, right_kind) = self.render_node(node.left), self.render_node(node.comparators[0])
        kind = widest(left_kind, right_kind)
        operator = self.expression_ops[type(node.ops[0]).__name__]
        return f"({met(left, left_kind, kind)} {operator} {met(right, right_kind, kind)})", "boolean"

    def render_Call(self, node: ast.Call) -> tuple[str, Kind]:
        name, arguments = ast.unparse(node.func), [self.render_node(argument) for argument in node.args]
        if self.functions[name] is not DEFAULT_FUNCTIONS.get(name):
            raise NotCompilable(f"{name} is a function of the user")
        codes, kinds = [code for code, _ in arguments], [kind for _, kind in arguments]
        if name in RANDOM:
            self.place += 1
            return f"{name}(_key, _neuron, {self.place})", "float64"
        if name in MATHEMATICS:
            name = "exp32" if name == "exp" and kinds[0] == "float32" else name
            return f"{name}({codes[0]})", TO_FLOAT.get(kinds[0], kinds[0])
        kind = widest(*kinds)
        if name in ("abs", "sign", "clip"):
            return f"{name}({', '.join(met(c, k, kind) for c, k in arguments)})", STRONG.get(kind, kind)
        if name in ("int", "floor", "ceil", "timestep"):
            return f"{name}_({', '.join(codes)})", "integer"
        raise NotCompilable(f"{name} has no form for one neuron")
