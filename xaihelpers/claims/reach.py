"""Which source a function rests on: itself, and every function, class and constant it reaches."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable, Iterator, Mapping
from functools import cache, partial
from textwrap import dedent
from types import CodeType, FunctionType, ModuleType
from typing import Any

PLAIN = (bool, int, float, str)  # values that count as they are
FOLLOWED = (FunctionType, type)


def statements(source: str) -> str:
    """Python source without comment lines, docstrings, blank lines and trailing space."""
    silent: set[int] = set()
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
            continue
        if ast.get_docstring(node, clean=False) is not None:
            docstring = node.body[0]
            silent |= set(range(docstring.lineno, (docstring.end_lineno or docstring.lineno) + 1))
    lines = [line.rstrip() for n, line in enumerate(source.splitlines(), 1) if n not in silent]
    return "\n".join(line for line in lines if line and not line.lstrip().startswith("#"))


def reached(*start: Any) -> set[str]:
    """Sources of these functions and of all of ours that they reach, as `statements`.

    Followed are functions, classes and constants of this package and of the packages that the
    given functions come from: by their names, as attributes of modules, in closures, defaults,
    partial functions and containers. Libraries are not followed.
    """
    leaves = list(_leaves(start))
    sources = {f"given {leaf!r}" for leaf in leaves if isinstance(leaf, PLAIN)}
    pending, done = [leaf for leaf in leaves if isinstance(leaf, FOLLOWED)], set[int]()
    packages = {"xaihelpers", *map(_package, pending)}
    while pending:
        item = pending.pop()
        if id(item) in done or _package(item) not in packages:
            continue
        done.add(id(item))
        sources.add(_source(item))
        for function in _functions(item):
            for name, value in _values(function, packages):
                leaves = list(_leaves(value))
                pending += [leaf for leaf in leaves if isinstance(leaf, FOLLOWED)]
                if plain := [repr(leaf) for leaf in leaves if isinstance(leaf, PLAIN)]:
                    sources.add(f"{name} = {', '.join(plain)}")
    return sources


@cache
def _source(item: Callable[..., Any]) -> str:
    return statements(dedent(inspect.getsource(item)))


def _package(item: Any) -> str:
    return str(item.__module__).partition(".")[0]


def _leaves(value: Any) -> Iterator[Any]:
    """What a value consists of: the parts of containers and of partial functions, one by one."""
    if isinstance(value, partial):
        yield from _leaves((value.func, value.args, value.keywords))
    elif isinstance(value, Mapping):
        yield from _leaves(tuple(value.items()))
    elif isinstance(value, set | frozenset):
        yield from _leaves(sorted(value, key=repr))
    elif isinstance(value, tuple | list):
        for part in value:
            yield from _leaves(part)
    else:
        yield inspect.unwrap(value) if callable(value) else value


def _functions(item: Any) -> list[FunctionType]:
    """The function itself, or the methods that stand in the source of a class."""
    if isinstance(item, FunctionType):
        return [item]
    members = [getattr(member, "fget", member) for member in vars(item).values()]
    methods = [member for member in members if isinstance(member, FunctionType)]
    source = inspect.getfile(item)  # a dataclass has methods of no source as well
    return [method for method in methods if method.__code__.co_filename == source]


def _values(function: FunctionType, packages: set[str]) -> Iterator[tuple[str, Any]]:
    """The names that a function reads, with their values."""
    scope = dict(function.__globals__)
    closure = zip(function.__code__.co_freevars, function.__closure__ or (), strict=True)
    scope |= {name: cell.cell_contents for name, cell in closure}
    codes, names = [function.__code__], set(function.__code__.co_freevars)
    while codes:
        code = codes.pop()
        names |= set(code.co_names)
        codes += [constant for constant in code.co_consts if isinstance(constant, CodeType)]
    for name in names & set(scope):
        value = scope[name]
        if not isinstance(value, ModuleType):
            yield name, value
        elif value.__name__.partition(".")[0] in packages:
            yield from (
                (attribute, vars(value)[attribute]) for attribute in names & set(vars(value))
            )
    yield "defaults", (function.__defaults__ or (), function.__kwdefaults__ or {})
