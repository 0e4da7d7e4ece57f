"""What a module does when it is imported: its statements, in order, and the classes and functions that they make."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from contextlib import suppress
from itertools import chain

from thaw.lint import scope
from thaw.lint.evaluate import Arguments, Evaluator, Hook, Site, element
from thaw.lint.project import Module, Project
from thaw.lint.scope import Frame
from thaw.lint.values import Class, External, Factory, Literal, Manner, Namespace, Object, Value, computed, either

MANNERS = {
    "staticmethod": Manner.STATIC,
    "classmethod": Manner.CLASS,
    "property": Manner.PROPERTY,
    "functools.cached_property": Manner.PROPERTY,
    "functools.cache": Manner.CACHED,
    "functools.lru_cache": Manner.CACHED,
    "functools.lru_cache()": Manner.CACHED,
}
LEAVING = (ast.Return, ast.Raise, ast.Continue, ast.Break)


class Executor(Evaluator):
    """Statements. Both branches of a condition are taken, a loop's body once."""

    def __init__(self, project: Project) -> None:
        super().__init__(project)
        self.modules: dict[str, Frame] = {}

    def import_module(self, module: Module) -> Frame:
        """See :meth:`Evaluator.import_module`. In an import cycle, what is defined so far."""
        if module.path not in self.modules:
            frame = Frame(module, names={"__name__": Value(Literal("")), "__file__": Value(Literal(module.path))})
            self.modules[module.path] = frame
            before = self._calls, self.statements
            self._calls, self.statements = [], 0
            self.run(module.tree.body, frame)
            self._calls, self.statements = before
        return self.modules[module.path]

    def run_hook(self, hook: Hook) -> None:
        """Calls a registered function."""
        self.invoke(hook.function, hook.arguments, hook.site)

    def run(self, body: list[ast.stmt], frame: Frame) -> None:
        """Executes statements up to one that leaves."""
        for statement in body:
            self.statements += 1
            # A sum of a thousand strings is nested a thousand deep; it is data, and is passed over.
            with suppress(RecursionError):
                self._statement(statement, frame)
            if isinstance(statement, LEAVING):
                return

    def _statement(self, node: ast.stmt, frame: Frame) -> None:  # noqa: PLR0912  # one case a statement, each of them short
        match node:
            case ast.Import() | ast.ImportFrom():
                self._import(node, frame)
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                frame.bind(node.name, self._function(node, frame))
            case ast.ClassDef():
                frame.bind(node.name, self._class(node, frame))
            case ast.Assign():
                value = self.value(node.value, frame)
                for target in node.targets:
                    self.assign(target, value, frame)
            case ast.AnnAssign(value=ast.expr() as given):
                self.assign(node.target, self.value(given, frame), frame)
            case ast.AugAssign():
                before, more = self.value(node.target, frame), self.value(node.value, frame)
                self.assign(node.target, before.marked(more.all_marks()), frame)
            case ast.Expr():
                self._effect(node.value, frame)
            case ast.Return():
                frame.returned = either(frame.returned, self.value(node.value, frame))
            case ast.Delete():
                for target in node.targets:
                    if isinstance(target, ast.Name):
                        frame.names.pop(target.id, None)
            case ast.Global(names=names):
                frame.declare(names, everywhere=True)
            case ast.Nonlocal(names=names):
                frame.declare(names, everywhere=False)
            case ast.If():
                self._if(node, frame)
            case ast.With() | ast.AsyncWith():
                self._with(node, frame)
            case ast.For() | ast.AsyncFor():
                self.assign(node.target, element(self.value(node.iter, frame)), frame)
                self._branches([[*node.body, *node.orelse], []], frame)
            case ast.While():
                self.value(node.test, frame)
                self._branches([[*node.body, *node.orelse], []], frame)
            case ast.Try() | ast.TryStar():
                self._try(node, frame)
            case ast.Match():
                self.value(node.subject, frame)
                self._branches([*(case.body for case in node.cases), []], frame)
            case _:
                for part in ast.iter_child_nodes(node):
                    if isinstance(part, ast.expr):
                        self.value(part, frame)

    def _effect(self, node: ast.expr, frame: Frame) -> None:
        inner = node.value if isinstance(node, ast.Await) else node
        if isinstance(inner, ast.Call):
            self.call(inner, frame, discarded=True)
        else:
            self.value(node, frame)

    # Control flow

    def _branches(self, bodies: list[list[ast.stmt]], frame: Frame) -> None:
        """Each from the same beginning; afterwards a name is what any of them made it."""
        before, ends = scope.snapshot(frame), []
        for body in bodies:
            scope.restore(before)
            self.run(body, frame)
            ends.append(scope.snapshot(frame))
        for end in ends[:-1]:
            scope.join(end)

    def _if(self, node: ast.If, frame: Frame) -> None:
        if _not_at_import(node.test):
            self.run(node.orelse, frame)
            return
        self.value(node.test, frame)
        self._branches([node.body, node.orelse], frame)

    def _try(self, node: ast.Try | ast.TryStar, frame: Frame) -> None:
        self._branches([[*node.body, *node.orelse], *(handler.body for handler in node.handlers)], frame)
        self.run(node.finalbody, frame)

    def _with(self, node: ast.With | ast.AsyncWith, frame: Frame) -> None:
        opened = []
        for item in node.items:
            value = self.value(item.context_expr, frame)
            # "with connection:" is a transaction, "with connect():" closes at the end.
            if isinstance(item.context_expr, ast.Call):
                opened.append(value)
            if item.optional_vars is not None:
                self.assign(item.optional_vars, value, frame)
        self.run(node.body, frame)
        for value in opened:
            self.end(value)

    # Imports

    def _import(self, node: ast.Import | ast.ImportFrom, frame: Frame) -> None:
        if isinstance(node, ast.ImportFrom):
            self._import_from(node, frame)
            return
        for alias in node.names:
            whole, top = alias.name, alias.name.partition(".")[0]
            found = self.project.find(frame.module, whole)
            if found:
                self.import_module(found)
            if alias.asname:
                frame.bind(alias.asname, Value(Namespace(found) if found else External(whole)))
            else:
                first = self.project.find(frame.module, top)
                frame.bind(top, Value(Namespace(first) if first else External(top)))

    def _import_from(self, node: ast.ImportFrom, frame: Frame) -> None:
        source = node.module or ""
        found = self.project.find(frame.module, source, node.level)
        for alias in node.names:
            inner = self.project.find(frame.module, f"{source}.{alias.name}".strip("."), node.level)
            if alias.name == "*":
                frame.names.update(self.import_module(found).names if found else {})
            elif found and alias.name in (names := self.import_module(found).names):
                frame.bind(alias.asname or alias.name, names[alias.name])
            elif inner:
                self.import_module(inner)
                frame.bind(alias.asname or alias.name, Value(Namespace(inner)))
            else:
                here = External(f"{source}.{alias.name}") if not (node.level or found) else Object()
                frame.bind(alias.asname or alias.name, Value(here))

    # Definitions

    def _function(self, node: ast.FunctionDef | ast.AsyncFunctionDef, frame: Frame) -> Value:
        function = self.define(node, frame)
        for decorator in reversed(node.decorator_list):
            value = self.value(decorator, frame)
            path = value.what.path if isinstance(value.what, External | Object) else ""
            function.manner = MANNERS.get(path, function.manner)
            function.marks.update(computed(value.all_marks()))
            if path not in MANNERS:
                # What a decorator returns is taken for the function itself, which is what most return in effect.
                self.invoke(value, Arguments((Value(function),)), Site(decorator, frame))
        return Value(function)

    def _class(self, node: ast.ClassDef, frame: Frame) -> Value:
        bases = tuple(self.value(base, frame) for base in node.bases)
        inner = Frame(frame.module, parent=frame, is_class=True)
        self.run(node.body, inner)
        fields = [s for s in node.body if isinstance(s, ast.AnnAssign)]
        factories = chain.from_iterable(self._factory(i, f, inner) for i, f in enumerate(fields))
        cls = Class(node.name, bases, inner.names, tuple(factories))
        for decorator in node.decorator_list:
            self.invoke(self.value(decorator, frame), Arguments((Value(cls),)), Site(decorator, frame))
        return Value(cls)

    def _factory(self, position: int, field: ast.AnnAssign, frame: Frame) -> Iterator[Factory]:
        """Of ``id: UUID = field(default_factory=uuid4)``; pydantic's and attrs' have the same shape."""
        if isinstance(field.value, ast.Call) and isinstance(field.target, ast.Name):
            for keyword in field.value.keywords:
                if keyword.arg in ("default_factory", "factory"):
                    yield Factory(field.target.id, position, self.value(keyword.value, frame))


def _not_at_import(test: ast.expr) -> bool:
    """``__name__ == "__main__"`` and ``TYPE_CHECKING``, also with further conditions."""
    if isinstance(test, ast.BoolOp) and isinstance(test.op, ast.And):
        return any(_not_at_import(part) for part in test.values)
    text = ast.unparse(test)
    return text in ("__name__ == '__main__'", "'__main__' == __name__") or text.split(".")[-1] == "TYPE_CHECKING"
