"""What an expression stands for, and what its evaluation does. Calls into the code under analysis are followed."""

from __future__ import annotations

import ast
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import reduce

from thaw.lint import patterns
from thaw.lint.project import Module, Project
from thaw.lint.scope import Frame
from thaw.lint.values import (
    Bond,
    Class,
    External,
    Function,
    Literal,
    Manner,
    Marks,
    Namespace,
    Object,
    Sighting,
    Value,
    computed,
    either,
)

MAX_DEPTH = 20
"""Calls within calls that are followed."""
MAX_STATEMENTS = 20_000
"""Of one module's import; then its calls are not followed any more. A guard against helpers that call each other."""

HOOKS = {
    "snapshot_restore_py.register_before_snapshot": "before",
    "snapshot_restore_py.register_after_restore": "after",
}
SERVICE_FACTORIES = ("client", "resource", "create_client")
ENVIRONMENT = ("os.environ.get", "os.getenv", "os.environ.setdefault")
CONTAINERS = ("contextlib.closing", "list", "tuple", "dict", "set")


@dataclass(frozen=True)
class Arguments:
    """What a call is given."""

    positional: tuple[Value, ...] = ()
    named: dict[str, Value] = field(default_factory=dict)

    def __iter__(self) -> Iterator[Value]:
        yield from self.positional
        yield from self.named.values()

    def first(self) -> Value:
        """The first, which for a client is its service's name."""
        return self.positional[0] if self.positional else self.named.get("service_name", Value())

    def marks(self) -> Marks:
        """Of all of them."""
        return frozenset[Sighting]().union(*(value.all_marks() for value in self))

    def attributes(self) -> dict[str, Value]:
        """As attributes of what was made of them."""
        return {**{str(i): value for i, value in enumerate(self.positional)}, **self.named}


@dataclass(frozen=True)
class Site:
    """Where a call is."""

    node: ast.expr
    frame: Frame
    discarded: bool = False
    """The call is a statement: nobody has its result."""

    @property
    def call(self) -> ast.Call | None:
        """The call itself, if it is spelled out."""
        return self.node if isinstance(self.node, ast.Call) else None


@dataclass(frozen=True)
class Hook:
    """A function registered with ``snapshot_restore_py``."""

    function: Value
    arguments: Arguments
    site: Site


class Evaluator(ABC):
    """Expressions. Statements are in :mod:`thaw.lint.execute`."""

    def __init__(self, project: Project) -> None:
        self.project = project
        self.watching = True
        """Off while hooks run that run after a restore: what they make is not in the snapshot."""
        self.done: set[Sighting] = set()
        self.kept: dict[Sighting, str] = {}
        self.ended: set[Sighting] = set()
        self.hooks: dict[str, list[Hook]] = {"before": [], "after": []}
        self.statements = 0
        self._calls: list[tuple[ast.AST, str]] = []

    @abstractmethod
    def run(self, body: list[ast.stmt], frame: Frame) -> None:
        """Executes statements."""

    @abstractmethod
    def import_module(self, module: Module) -> Frame:
        """Executes a module, once, and gives its names."""

    # Expressions

    def value(self, node: ast.expr | None, frame: Frame) -> Value:  # noqa: PLR0911, PLR0912  # one case a kind, short
        """What an expression stands for."""
        match node:
            case ast.Constant(value=str(text)):
                return Value(Literal(text))
            case ast.Name(id=name):
                return frame.look_up(name)
            case ast.Attribute():
                return self.attribute(self.value(node.value, frame), node.attr, Site(node, frame))
            case ast.Subscript():
                return self._subscript(node, frame)
            case ast.Call():
                return self.call(node, frame)
            case ast.Await() | ast.Starred():
                return self.value(node.value, frame)
            case ast.BoolOp() | ast.IfExp():
                return self._choice(node, frame)
            case ast.NamedExpr(target=ast.Name(id=name)):
                value = self.value(node.value, frame)
                frame.bind(name, value)
                return value
            case ast.List() | ast.Tuple() | ast.Set():
                elements = {str(i): self.value(e, frame) for i, e in enumerate(node.elts)}
                return Value(Object(type(node).__name__.lower(), attributes=elements))
            case ast.Dict():
                return self._dict(node, frame)
            case ast.ListComp() | ast.SetComp() | ast.GeneratorExp() | ast.DictComp():
                return self._comprehension(node, frame)
            case ast.Lambda():
                return Value(self.define(node, frame))
            case ast.Yield() | ast.YieldFrom():
                frame.returned = either(frame.returned, self.value(node.value, frame))
                return Value(Object())
            case ast.BinOp():
                return self._operation(node, frame)
            case _:
                return self._other(node, frame)

    def _other(self, node: ast.expr | None, frame: Frame) -> Value:
        """Comparisons, formatted strings and the like: computed from their parts."""
        parts = ast.iter_child_nodes(node) if node is not None else ()
        marks = [self.value(part, frame).all_marks() for part in parts if isinstance(part, ast.expr)]
        return Value(None, computed(frozenset[Sighting]().union(*marks)))

    def _choice(self, node: ast.BoolOp | ast.IfExp, frame: Frame) -> Value:
        if isinstance(node, ast.BoolOp):
            return reduce(either, [self.value(v, frame) for v in node.values])
        self.value(node.test, frame)
        return either(self.value(node.body, frame), self.value(node.orelse, frame))

    def _operation(self, node: ast.BinOp, frame: Frame) -> Value:
        left, right = (computed(self.value(side, frame).all_marks()) for side in (node.left, node.right))
        marks = left | right
        if isinstance(node.op, ast.Sub) and _has_time(left) and _has_time(right):
            # The time between two readings is not a reading.
            marks = frozenset(m for m in marks if m.code != "TH201")
        return Value(None, marks)

    def _dict(self, node: ast.Dict, frame: Frame) -> Value:
        elements: dict[str, Value] = {}
        for i, (key, item) in enumerate(zip(node.keys, node.values, strict=True)):
            name = self.value(key, frame)
            elements[key_of(name) or str(i)] = self.value(item, frame).marked(computed(name.all_marks()))
        return Value(Object("dict", attributes=elements))

    def _comprehension(self, node: ast.ListComp | ast.SetComp | ast.GeneratorExp | ast.DictComp, frame: Frame) -> Value:
        inner = Frame(frame.module, parent=frame)
        for part in node.generators:
            self.assign(part.target, element(self.value(part.iter, inner)), inner)
            for condition in part.ifs:
                self.value(condition, inner)
        made = [node.key, node.value] if isinstance(node, ast.DictComp) else [node.elt]
        return Value(Object("list", attributes={str(i): self.value(e, inner) for i, e in enumerate(made)}))

    def _subscript(self, node: ast.Subscript, frame: Frame) -> Value:
        base, index = self.value(node.value, frame), self.value(node.slice, frame)
        key = key_of(index)
        if base.what == External("os.environ") and key:
            return self._seen(f"os.environ{key}", Object(), Site(node, frame))
        if isinstance(base.what, Object) and key in base.what.attributes:
            return base.what.attributes[key]
        return element(base).marked(computed(index.all_marks()))

    def attribute(self, base: Value, name: str, site: Site) -> Value:
        """An attribute of something."""
        match base.what:
            case Namespace(module):
                return self.member(module, name)
            case External(path):
                found = self.project.find(site.frame.module, f"{path}.{name}")
                return Value(Namespace(found)) if found else Value(External(f"{path}.{name}"), base.marks)
            case Class() as cls:
                found_there = cls.find(name) or Value(Object())
                if isinstance(found_there.what, Function) and found_there.what.manner is Manner.CLASS:
                    return Value(replace(found_there.what, receiver=base))
                return found_there
            case Object() as thing:
                return self._attribute_of(thing, name, site)
            case _:
                return Value(Object(), base.all_marks())

    def _attribute_of(self, thing: Object, name: str, site: Site) -> Value:
        if name in thing.attributes:
            return thing.attributes[name]
        inherited = thing.cls.find(name) if thing.cls else None
        if inherited and isinstance(inherited.what, Function):
            return self._method(inherited.what, thing, site)
        if inherited:
            return inherited
        part = Object(f"{thing.path}.{name}", owner=thing, marks=set(computed(thing.marks)))
        return self._seen(part.path, part, site)

    def _method(self, function: Function, thing: Object, site: Site) -> Value:
        if function.manner is Manner.STATIC:
            return Value(function)
        receiver = Value(thing.cls) if function.manner is Manner.CLASS else Value(thing)
        bound = replace(function, receiver=receiver)
        return self.enter(bound, Arguments(), site) if function.manner is Manner.PROPERTY else Value(bound)

    def member(self, module: Module, name: str) -> Value:
        """A name of another module, which is imported for it; or a module of that package."""
        names = self.import_module(module).names
        if name in names:
            return names[name]
        inside = self.project.find(module, name, level=1)
        return Value(Namespace(inside)) if inside else Value(Object())

    def define(self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda, frame: Frame) -> Function:
        """A function as it is when it was just defined: with its defaults, and what it closes over."""
        args, function = node.args, Function(node, frame)
        with_default = [*args.posonlyargs, *args.args]
        pairs = list(zip(with_default[len(with_default) - len(args.defaults) :], args.defaults, strict=True))
        pairs += [(a, d) for a, d in zip(args.kwonlyargs, args.kw_defaults, strict=True) if d is not None]
        function.defaults = {argument.arg: self.value(default, frame) for argument, default in pairs}
        around: Frame | None = frame
        while around is not None and around.parent is not None:
            if not around.is_class:
                function.marks.update(*(around.names[n].all_marks() for n in names_in(node) if n in around.names))
            around = around.parent
        return function

    # Calls

    def call(self, node: ast.Call, frame: Frame, *, discarded: bool = False) -> Value:
        """What a call gives."""
        callee = self.value(node.func, frame)
        positional = tuple(self.value(argument, frame) for argument in node.args)
        named = {keyword.arg or "**": self.value(keyword.value, frame) for keyword in node.keywords}
        return self.invoke(callee, Arguments(positional, named), Site(node, frame, discarded))

    def invoke(self, callee: Value, arguments: Arguments, site: Site) -> Value:
        """Calls a value."""
        match callee.what:
            case Function() as function:
                return self.enter(function, arguments, site)
            case Class() as cls:
                return self._construct(cls, arguments, site)
            case External(path):
                return self._call_outside(path, None, arguments, site)
            case Object(path=path, owner=owner):
                return self._call_outside(path, owner, arguments, site)
            case _:
                return Value(Object(), computed(arguments.marks()))

    def enter(self, function: Function, arguments: Arguments, site: Site) -> Value:
        """Runs a function of the code under analysis."""
        running = [node for node, _ in self._calls]
        if function.node in running or len(running) >= MAX_DEPTH or self.statements >= MAX_STATEMENTS:
            return Value(Object(), computed(arguments.marks()))
        frame = Frame(function.frame.module, parent=function.frame)
        frame.names = bound(function, arguments)
        self._calls.append((function.node, f"{site.frame.module.path}:{site.node.lineno}"))
        try:
            if isinstance(function.node, ast.Lambda):
                frame.returned = self.value(function.node.body, frame)
            else:
                self.run(function.node.body, frame)
        finally:
            self._calls.pop()
        if function.manner is Manner.CACHED:
            function.marks.update(frame.returned.all_marks())
        return frame.returned

    def _construct(self, cls: Class, arguments: Arguments, site: Site) -> Value:
        base = cls.outside()
        thing = Object(f"{base}()" if base else "?", cls, attributes=arguments.attributes())
        for factory in [f for part in cls.lineage() for f in part.factories]:
            if factory.name not in arguments.named and factory.position >= len(arguments.positional):
                thing.attributes[factory.name] = self.invoke(factory.make, Arguments(), replace(site, discarded=False))
        for name, given in (("__init__", arguments), ("__post_init__", Arguments())):
            method = cls.find(name)
            if method and isinstance(method.what, Function):
                self.enter(replace(method.what, receiver=Value(thing)), given, site)
        return Value(thing)

    def _call_outside(self, path: str, receiver: Object | None, arguments: Arguments, site: Site) -> Value:
        """A call of something that is not of the code under analysis."""
        known = self._call_known(path, arguments, site)
        if known is not None:
            return known
        first, last = arguments.first(), path.rpartition(".")[2]
        if receiver is not None and last in patterns.ENDINGS:
            self.end(Value(receiver))
        if site.discarded:
            self._handed_over(path, receiver, arguments)
        service = repr(first.what.text) if last in SERVICE_FACTORIES and isinstance(first.what, Literal) else ""
        result = Object(f"{path}({service})")
        held_by = Value(receiver).all_marks()
        if path not in patterns.MEASURES:
            result.marks.update(computed(arguments.marks()), computed(held_by))
        if last[:1].isupper() or path in CONTAINERS:
            result.attributes.update(arguments.attributes())
        if last[:1].isupper() or last in patterns.BORROWING:
            result.marks.update(held_by)
        return self._seen(result.path, result, site, receiver, first)

    def _call_known(self, path: str, arguments: Arguments, site: Site) -> Value | None:
        """A call of a function whose result is known better than by its name."""
        first = arguments.first()
        if path in HOOKS:
            rest = Arguments(arguments.positional[1:], arguments.named)
            self.hooks[HOOKS[path]].append(Hook(first, rest, site))
            return first
        if path in ("functools.partial", "asyncio.run", "iter", "reversed"):
            return first
        if path == "map":
            mapped = self.invoke(first, Arguments(arguments.positional[1:]), site)
            return Value(Object("list", attributes={"0": mapped}))
        if path in ENVIRONMENT and (key := key_of(first)):
            return self._seen(f"os.environ{key}", Object(), site)
        return None

    def _handed_over(self, path: str, receiver: Object | None, arguments: Arguments) -> None:
        """A call for its effect: what it was given may stay with its object, or somewhere out of sight."""
        if receiver is not None and path.rpartition(".")[2] not in patterns.REMARKS:
            receiver.take(arguments.marks())
        elif receiver is None and patterns.keeps(path):
            self.keep(computed(arguments.marks()), f"{path}(…)")

    # Sightings

    def _seen(
        self, name: str, made: Object, site: Site, receiver: Object | None = None, first: Value | None = None
    ) -> Value:
        """Notes what a rule says about a call or read; gives its result."""
        pattern = patterns.find(name, site.call)
        if pattern is None:
            return Value(made)
        if not self.watching:
            # A hook that does it again after the restore mends what import did.
            self.ended.update(s for s in self.done if s.call == name)
            return Value(made)
        node = site.node
        end_line = node.end_lineno or node.lineno
        via = tuple(place for _, place in self._calls)
        sighting = Sighting(
            pattern.code, site.frame.module.path, node.lineno, node.col_offset + 1, end_line, name, pattern.bond, via
        )
        bearer: Object | None = made
        if pattern.bearer == "receiver":
            bearer = receiver
        elif pattern.bearer == "argument" and first is not None:
            bearer = first.what if isinstance(first.what, Object) else None
        if pattern.bond is Bond.DONE:
            self.done.add(sighting)
        if bearer is not None:
            bearer.take((sighting,))
        return Value(made)

    def keep(self, marks: Iterable[Sighting], where: str) -> None:
        """These stay where the analysis does not see them go."""
        for mark in marks:
            if self.watching:
                self.kept.setdefault(mark, where)

    def end(self, value: Value) -> None:
        """It is closed, joined or seeded: nothing of it is left in the snapshot."""
        self.ended.update(m for m in value.all_marks() if m.bond is not Bond.VALUE)

    # Assignments

    def assign(self, target: ast.expr, value: Value, frame: Frame) -> None:
        """Binds a name, sets an attribute or item, or unpacks."""
        match target:
            case ast.Name(id=name):
                frame.bind(name, value)
            case ast.Tuple(elts=parts) | ast.List(elts=parts):
                for i, part in enumerate(parts):
                    self.assign(part, _unpacked(value, i), frame)
            case ast.Starred(value=inner):
                self.assign(inner, value, frame)
            case ast.Attribute(value=base, attr=name):
                self._store(self.value(base, frame), name, value, target)
            case ast.Subscript(value=base):
                index = self.value(target.slice, frame)
                self._store(self.value(base, frame), key_of(index), value.marked(computed(index.all_marks())), target)

    def _store(self, base: Value, name: str, value: Value, target: ast.expr) -> None:
        match base.what:
            case Object() as thing if name:
                thing.attributes[name] = value
                if thing.owner is not None:
                    thing.owner.take(value.all_marks())
            case Object() as thing:
                thing.take(value.all_marks())
            case Class() as cls:
                cls.attributes[name] = value
            case Function() as function:
                function.marks.update(value.all_marks())
            case Namespace(module):
                self.import_module(module).names[name] = value
            case External():
                self.keep(computed(value.all_marks()), ast.unparse(target))


def element(value: Value) -> Value:
    """An element of something, which one is not known."""
    if not isinstance(value.what, Object):
        return Value(Object(), value.all_marks())
    thing = value.what
    known = (
        reduce(either, thing.attributes.values())
        if thing.path in ("list", "tuple", "set") and thing.attributes
        else None
    )
    if known is not None:
        return known.marked(thing.marks)
    return Value(Object(f"{thing.path}[]", owner=thing, marks=set(thing.marks)), value.all_marks())


def _unpacked(value: Value, index: int) -> Value:
    if isinstance(value.what, Object) and value.what.path in ("tuple", "list"):
        return value.what.attributes.get(str(index), Value(Object()))
    return element(value)


def key_of(index: Value) -> str:
    """How an item of that key is kept; empty when the key is not a known string."""
    return f"[{index.what.text!r}]" if isinstance(index.what, Literal) else ""


def bound(function: Function, arguments: Arguments) -> dict[str, Value]:
    """A function's parameters, bound as Python binds them; what is not given is unknown."""
    parameters = function.node.args
    names = [a.arg for a in (*parameters.posonlyargs, *parameters.args)]
    positional = (*([function.receiver] if function.receiver else []), *arguments.positional)
    every = [*names, *(a.arg for a in parameters.kwonlyargs)]
    given: dict[str, Value] = {name: Value(Object()) for name in every}
    given.update(function.defaults)
    given.update(zip(names, positional, strict=False))
    given.update({name: value for name, value in arguments.named.items() if name in every})
    if parameters.vararg:
        more = {str(i): value for i, value in enumerate(positional[len(names) :])}
        given[parameters.vararg.arg] = Value(Object("tuple", attributes=more))
    if parameters.kwarg:
        others = {f"[{n!r}]": v for n, v in arguments.named.items() if n not in every}
        given[parameters.kwarg.arg] = Value(Object("dict", attributes=others))
    return given


def names_in(node: ast.AST) -> set[str]:
    """The names that a function reads."""
    return {n.id for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)}


def _has_time(marks: Marks) -> bool:
    return any(m.code == "TH201" for m in marks)
