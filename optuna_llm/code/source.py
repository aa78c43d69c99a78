"""The source of a version: what it may hold, which versions are one, which numbers it declares.

The gate is for quality: a version that reaches for files or attributes of classes is none of what
was asked for. It keeps nobody out; that is the sandbox's business.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from collections.abc import Sequence
import copy
from dataclasses import dataclass
import functools
import hashlib
import math
import textwrap

from optuna.distributions import FloatDistribution

from optuna_llm.errors import ConfigurationError


MAX_CHARACTERS = 20_000
_MAX_NODES = 4_000
# Trees are walked recursively, a few calls for each level.
_MAX_DEPTH = 100
# More than these no study tells apart.
_MAX_NUMBERS = 30
# A column of a database holds a parameter's name.
_MAX_NAME = 40
# A literal is tuned within this factor of what was written.
_FACTOR = 10.0
_STRUCTURAL = (0.0, 1.0)
_FORBIDDEN = frozenset(
    {"__import__", "breakpoint", "compile", "delattr", "eval", "exec", "exit", "getattr"}
    | {"globals", "input", "locals", "open", "quit", "setattr", "vars"}
)
_DECLARE = "number"


def number(value: float, low: float, high: float, log: bool = False) -> float:
    """Declare a number of a version that is to be tuned, and its range; returns it as it is.

    Args:
        value: What it is before it is tuned.
        low: The lowest value.
        high: The highest one.
        log: Whether it is tuned on a log scale.
    """
    return value


@dataclass(frozen=True)
class Number:
    """A number in the source of a version.

    Attributes:
        name: Of the variable or argument that it is given to, else its place.
        value: As it is written.
        distribution: What it may become.
    """

    name: str
    value: float
    distribution: FloatDistribution


@dataclass(frozen=True)
class Source:
    """The source of one version.

    Attributes:
        text: As it was written, without margins.
        function: Name of its function.
    """

    text: str
    function: str

    @functools.cached_property
    def tree(self) -> ast.Module:
        """What it parses to."""
        return ast.parse(self.text, "version")

    @functools.cached_property
    def numbers(self) -> tuple[Number, ...]:
        """The numbers that it declares, in order, no two of one name."""
        found = _Numbers()
        found.visit(copy.deepcopy(self.tree))
        return tuple(found.numbers)

    @functools.cached_property
    def canonical(self) -> str:
        """A digest that is the same for versions that differ in names, comments and numbers."""
        tree = _Numbers().visit(copy.deepcopy(self.tree))
        tree = _Plain(self.function).visit(tree)
        return hashlib.sha256(ast.dump(tree).encode()).hexdigest()

    def with_numbers(self, values: Mapping[str, float], *, keeps_ranges: bool = False) -> str:
        """Return the source with other numbers, by their names; it is laid out anew.

        Args:
            values: The numbers.
            keeps_ranges: Whether calls of ``number`` stay, with the other number in them; else the
                number alone stands in their place.
        """
        tree = _Numbers(values, keeps_ranges=keeps_ranges).visit(copy.deepcopy(self.tree))
        return ast.unparse(ast.fix_missing_locations(tree))


def checked_source(text: object, like: ast.FunctionDef, imports: Sequence[str]) -> Source:
    """Return a version's source, if it is one function with the arguments that it must have.

    Args:
        text: The source.
        like: The function whose name and arguments it must have.
        imports: Modules that it may import.

    Raises:
        ConfigurationError: It is something else; the message says what.
    """
    name = like.name
    source = parsed(text, name)
    imported = (ast.Import, ast.ImportFrom)
    rest = [node for node in source.tree.body if not isinstance(node, imported)]
    if len(rest) != 1 or not isinstance(rest[0], ast.FunctionDef) or rest[0].name != name:
        raise ConfigurationError(
            f"a version of {name!r} must be that one function, with imports before it at most."
        )
    if _arguments(rest[0]) != _arguments(like):
        raise ConfigurationError(
            f"a version of {name!r} must take ({ast.unparse(like.args)}), not"
            f" ({ast.unparse(rest[0].args)})."
        )
    _check_words(name, source.tree, imports)
    if len(source.numbers) > _MAX_NUMBERS:
        raise ConfigurationError(
            f"a version of {name!r} has {len(source.numbers)} numbers to be tuned; at most"
            f" {_MAX_NUMBERS} are, so write fewer with a decimal point."
        )
    return source


def parsed(text: object, name: str) -> Source:
    """Return a source that can be read and shown, whatever it does.

    Args:
        text: The source.
        name: Name of its function.

    Raises:
        ConfigurationError: It cannot; the message says why.
    """
    if not isinstance(text, str):
        raise ConfigurationError(f"a version of {name!r} must be its source, not {text!r:.80}.")
    if len(text) > MAX_CHARACTERS:
        raise ConfigurationError(
            f"a version of {name!r} has {len(text):,} characters; at most {MAX_CHARACTERS:,} are"
            " taken, so write a shorter one."
        )
    # Whoever reads it must see what is run: such characters turn lines around, or drive terminals.
    unseen = next((c for c in text if not c.isprintable() and c not in "\n\r\t"), None)
    if unseen is not None:
        raise ConfigurationError(
            f"a version of {name!r} holds U+{ord(unseen):04X}, which cannot be seen; leave it out."
        )
    source = Source(textwrap.dedent(text).strip() + "\n", name)
    try:
        tree = source.tree
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise ConfigurationError(f"a version of {name!r} does not parse: {error}.") from None
    if sum(1 for _ in ast.walk(tree)) > _MAX_NODES:
        raise ConfigurationError(f"a version of {name!r} is too long; write a shorter one.")
    if _depth(tree) > _MAX_DEPTH:
        raise ConfigurationError(
            f"a version of {name!r} is nested more than {_MAX_DEPTH} levels deep; write a"
            " flat one."
        )
    return source


def _depth(tree: ast.AST) -> int:
    """Return how many nodes lie within each other at most."""
    level, depth = [tree], 0
    while level:
        level = [child for node in level for child in ast.iter_child_nodes(node)]
        depth += 1
    return depth


def _check_words(name: str, tree: ast.Module, imports: Sequence[str]) -> None:
    """Refuse what no good version needs."""
    for node in ast.walk(tree):
        modules: list[str] = []
        if isinstance(node, ast.Import):
            modules = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            modules = [node.module or "."]
        for module in modules:
            if module.split(".")[0] not in {known.split(".")[0] for known in imports}:
                raise ConfigurationError(
                    f"a version of {name!r} imports {module!r}; it may import"
                    f" {', '.join(imports) or 'nothing'}."
                )
        word = ""
        if isinstance(node, ast.Attribute):
            word = node.attr if node.attr.startswith("__") else ""
        elif isinstance(node, ast.Name):
            word = node.id if node.id in _FORBIDDEN or node.id.startswith("__") else ""
        elif isinstance(node, ast.AsyncFunctionDef | ast.Await | ast.Global):
            word = type(node).__name__
        if word:
            raise ConfigurationError(f"a version of {name!r} uses {word}, which none may.")


def _arguments(function: ast.FunctionDef) -> list[str]:
    given = function.args
    named = [*given.posonlyargs, *given.args, *given.kwonlyargs]
    stars = [f"*{a.arg}" for a in (given.vararg, given.kwarg) if a is not None]
    return [argument.arg for argument in named] + stars


class _Numbers(ast.NodeTransformer):
    """Finds the numbers of a source; puts others in their place, or one sign for all."""

    def __init__(
        self, values: Mapping[str, float] | None = None, *, keeps_ranges: bool = False
    ) -> None:
        self.numbers: list[Number] = []
        self._values = values
        self._keeps_ranges = keeps_ranges
        self._target = ""

    def visit_Assign(self, node: ast.Assign) -> ast.AST:
        """Name a number by the variable that it is given to."""
        target = node.targets[0]
        self._target = target.id if isinstance(target, ast.Name) else ""
        return self._once(node)

    def visit_keyword(self, node: ast.keyword) -> ast.AST:
        """Name a number by the argument that it is given to."""
        self._target = node.arg or ""
        return self._once(node)

    def _once(self, node: ast.AST) -> ast.AST:
        found: ast.AST = self.generic_visit(node)
        self._target = ""
        return found

    def visit_Call(self, node: ast.Call) -> ast.AST:
        """Take a number that is declared with its range."""
        is_declared = isinstance(node.func, ast.Name) and node.func.id == _DECLARE
        if not is_declared:
            return self.generic_visit(node)
        try:
            given = [ast.literal_eval(a) for a in node.args]
            named = {k.arg: ast.literal_eval(k.value) for k in node.keywords}
            declared = _declared(*given, **named)  # type: ignore[arg-type]
        except (TypeError, ValueError, OverflowError) as error:
            raise ConfigurationError(
                f"{ast.unparse(node):.80} must be number(value, low, high, log=False): {error}"
            ) from None
        taken = self._taken(*declared)
        if not self._keeps_ranges:
            return taken
        if node.args:
            node.args[0] = taken
        for keyword in node.keywords:
            if keyword.arg == "value":
                keyword.value = taken
        return node

    def visit_Constant(self, node: ast.Constant) -> ast.AST:
        """Take a literal with a decimal point, but for 0.0 and 1.0."""
        value = node.value
        if type(value) is not float or value in _STRUCTURAL or not math.isfinite(value):
            return node
        low, high = (float(f"{end:.12g}") for end in (value / _FACTOR, value * _FACTOR))
        if low == 0 or not math.isfinite(high):
            return node  # At the end of what numbers there are: it stands for nothing or no bound.
        return self._taken(value, FloatDistribution(low, high, log=True))

    def _taken(self, value: float, distribution: FloatDistribution) -> ast.expr:
        taken = {known.name for known in self.numbers}
        is_name = 0 < len(self._target) <= _MAX_NAME and self._target not in taken
        name = self._target if is_name else str(len(self.numbers))
        self.numbers.append(Number(name, value, distribution))
        if self._values is None:
            return ast.Name("#", ast.Load())
        shown = float(self._values.get(name, value))
        literal = ast.Constant(abs(shown))
        # Only a sign of its own gets the brackets that a power needs.
        return literal if shown >= 0 else ast.UnaryOp(ast.USub(), literal)


def _declared(
    value: float, low: float, high: float, log: bool = False
) -> tuple[float, FloatDistribution]:
    if not low <= value <= high:
        raise ValueError(f"{value} is not within {low} and {high}.")
    if not math.isfinite(high - low):
        raise ValueError(f"{low} to {high} is no range.")
    return float(value), FloatDistribution(float(low), float(high), log=bool(log))


class _Plain(ast.NodeTransformer):
    """Takes away what changes nothing: docstrings, annotations, names, the order of keywords."""

    def __init__(self, function: str) -> None:
        self._function = function
        self._names: dict[str, str] = {}

    def _renamed(self, name: str) -> str:
        return self._names.setdefault(name, f"v{len(self._names)}")

    def visit_Module(self, node: ast.Module) -> ast.AST:
        """Rename what the source itself binds, in order of appearance."""
        bound: dict[str, None] = {}
        for found in ast.walk(node):
            if isinstance(found, ast.Name) and isinstance(found.ctx, ast.Store):
                bound[found.id] = None
            elif isinstance(found, ast.arg):
                bound[found.arg] = None
        for name in bound:
            self._renamed(name)
        return self.generic_visit(node)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        """Drop docstring and annotation."""
        is_docstring = ast.get_docstring(node, clean=False) is not None
        node.body = node.body[is_docstring:] or [ast.Pass()]
        node.returns = None
        return self.generic_visit(node)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST:
        """Take an annotated assignment for a plain one."""
        if node.value is None:
            return ast.Pass()
        return self.visit(ast.Assign([node.target], node.value))  # type: ignore[no-any-return]

    def visit_arg(self, node: ast.arg) -> ast.AST:
        """Rename an argument."""
        return ast.arg(self._names.get(node.arg, node.arg), None)

    def visit_Name(self, node: ast.Name) -> ast.AST:
        """Rename what the source binds."""
        return ast.Name(self._names.get(node.id, node.id), node.ctx)

    def visit_Call(self, node: ast.Call) -> ast.AST:
        """Sort keyword arguments."""
        self.generic_visit(node)
        node.keywords.sort(key=lambda keyword: keyword.arg or "")
        return node
