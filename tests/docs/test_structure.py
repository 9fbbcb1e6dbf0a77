"""The structure of the code: layers without cycles, few packages, short signatures, names of the field.

Everything is read from the syntax trees, so imports inside functions count. Paths in strings do not, as in the lazy
command line, the old import paths and the public names of `disbench`: they are resolved when they are used.
"""

import ast
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from disbench.registry.discovery import list_cards

ROOT = Path(__file__).parents[2]
MAX_PACKAGES = 15
MAX_LINES = 400
MAX_PARAMETERS = 6
LOOSE_MODULES = {"__init__.py", "__main__.py", "errors.py", "testing.py"}  # in disbench/, next to its packages
PRONOUNS = {"found", "one", "what", "where", "how", "some", "of", "beside", "made", "said"}
KERNELS = ("njit", "kernel", "inner_kernel")  # decorators
# Functions that users call with keywords.
PUBLIC = {"disbench.runs.api.run", "disbench.runs.api.score_maps", "disbench.reports.api.report"}
# What models may import; their own commands may import everything.
BELOW_MODELS = ("errors", "system", "metrics", "data", "registry", "inference", "runs", "models")


def module_name(path: Path) -> str:
    """disbench/runs/api.py -> disbench.runs.api; the folder models/ is disbench.models."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    parts = parts if parts[0] == "disbench" else ("disbench", *parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def read_modules() -> dict[str, ast.Module]:
    paths = [path for folder in ("disbench", "models") for path in (ROOT / folder).rglob("*.py")]
    return {module_name(path): ast.parse(path.read_text("utf-8"), path) for path in sorted(paths)}


MODULES = read_modules()


def list_imports(name: str, modules: dict[str, ast.Module]) -> set[str]:
    """List the modules that a module imports, anywhere in it. Packages around them count only if nothing is inside."""
    names = set()
    for node in ast.walk(modules[name]):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            packages = name.split(".")[: -node.level] if node.level else []  # of a relative import; no __init__ has any
            origin = ".".join([*packages, *filter(None, [node.module])])
            names |= {f"{origin}.{alias.name}" for alias in node.names}
    return {module for module in (enclosing_module(dotted, modules) for dotted in names) if module} - {name}


def enclosing_module(dotted: str, modules: dict[str, ast.Module]) -> str | None:
    """The module that has a name: disbench.runs.api.run -> disbench.runs.api. None for code of others."""
    while dotted and dotted not in modules:
        dotted = dotted.rpartition(".")[0]
    return dotted or None


def find_cycle(modules: dict[str, ast.Module]) -> list[str]:
    """A cycle of imports, as the names along it; empty where there is none."""
    try:
        TopologicalSorter({name: list_imports(name, modules) for name in modules}).prepare()
    except CycleError as error:
        return error.args[1]
    return []


def decorators(function: ast.FunctionDef) -> set[str]:
    """The last names of the decorators: @click.command() -> command."""
    calls = (decorator.func if isinstance(decorator, ast.Call) else decorator for decorator in function.decorator_list)
    return {call.attr if isinstance(call, ast.Attribute) else ast.unparse(call) for call in calls}


def long_signatures(name: str, tree: ast.Module) -> Iterator[str]:
    """Functions with too many parameters, except kernels, whose arguments Numba wants flat, and commands."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.FunctionDef) or decorators(node) & {*KERNELS, "command", "group"}:
            continue
        positional = [parameter.arg for parameter in (*node.args.posonlyargs, *node.args.args)]
        positional = positional[1:] if positional[:1] in (["self"], ["cls"]) else positional
        count = len(positional) + len(node.args.kwonlyargs)
        if f"{name}.{node.name}" in PUBLIC and len(positional) <= 1:
            continue
        if count > MAX_PARAMETERS:
            yield f"{name}.{node.name}: {count}"


def pronouns(name: str, tree: ast.Module) -> Iterator[str]:
    """Parameters, and names that are assigned, that stand for anything."""
    for node in ast.walk(tree):
        if isinstance(node, ast.arg) and node.arg in PRONOUNS:
            yield f"{name}:{node.lineno}: {node.arg}"
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store) and node.id in PRONOUNS:
            yield f"{name}:{node.lineno}: {node.id}"


def test_imports_have_no_cycle_lazy_ones_included():
    assert find_cycle(MODULES) == []


def test_models_import_what_is_below_them():
    """Commands that a card declares, and what only they import, may import the command line and reports as well."""
    cards = [card for card in list_cards().values() if card.commands]
    commands = {f"disbench.models.{card.name}.{card.commands.partition(':')[0]}" for card in cards}
    imports = {name: list_imports(name, MODULES) for name in MODULES if name.startswith("disbench.models.")}
    importers = {module: {name for name in imports if module in imports[name]} for module in imports}
    while added := {name for name in imports if importers[name] and importers[name] <= commands} - commands:
        commands |= added
    allowed = tuple(f"disbench.{package}." for package in BELOW_MODELS)
    rest = imports.keys() - commands
    assert rest and commands
    assert {(name, m) for name in rest for m in imports[name] if not f"{m}.".startswith(allowed)} == set()


def test_disbench_has_few_packages_and_no_loose_modules():
    folders = [path for path in (ROOT / "disbench").iterdir() if (path / "__init__.py").is_file()]
    assert len(folders) <= MAX_PACKAGES, sorted(folder.name for folder in folders)
    assert {path.name for path in (ROOT / "disbench").glob("*.py")} <= LOOSE_MODULES


@pytest.mark.parametrize("name", MODULES)
def test_a_file_is_short(name):
    assert MODULES[name].body[-1].end_lineno <= MAX_LINES if MODULES[name].body else True


def test_signatures_are_short():
    scenes = "disbench.data.scenes."  # drawing takes coordinates
    trees = {name: tree for name, tree in MODULES.items() if not name.startswith(scenes)}
    assert [text for name, tree in trees.items() for text in long_signatures(name, tree)] == []


def test_public_functions_exist():
    for path in PUBLIC:
        module, _, name = path.rpartition(".")
        assert any(isinstance(node, ast.FunctionDef) and node.name == name for node in MODULES[module].body), path


def test_names_are_nouns_of_the_field():
    assert [text for name, tree in MODULES.items() for text in pronouns(name, tree)] == []


# -- The checks find what they are for


def parse(**sources):
    """Modules of the package a."""
    return {f"a.{name}": ast.parse(source) for name, source in sources.items()} | {"a": ast.parse("")}


def test_a_cycle_is_found_through_an_import_inside_a_function():
    lazy = "def f():\n    from a.x import y"
    assert find_cycle(parse(x="from a.z import f", z="import math")) == []
    assert set(find_cycle(parse(x="from a import z", z=lazy))) == {"a.x", "a.z"}
    assert set(find_cycle(parse(x="from . import z", z="from .x import f"))) == {"a.x", "a.z"}
    assert set(find_cycle(parse(x="import a.y", y="from a.z import f", z=lazy))) == {"a.x", "a.y", "a.z"}


@pytest.mark.parametrize(
    ("source", "counts"),
    [
        ("def f(a, b, c, d, e, g): pass", []),
        ("def f(a, b, c, d, e, g, h): pass", ["m.f: 7"]),
        ("def f(a, /, b, c, *, d, e, g, h): pass", ["m.f: 7"]),
        ("class C:\n    def f(self, a, b, c, d, e, g): pass", []),
        ("def outer():\n    def f(a, b, c, d, e, g, h, i): pass", ["m.f: 8"]),
        ("@njit(nogil=True)\ndef f(a, b, c, d, e, g, h): pass", []),
        ("@click.command()\n@add_options(*x)\ndef f(a, b, c, d, e, g, h): pass", []),
        ("@contextmanager\ndef f(a, b, c, d, e, g, h): pass", ["m.f: 7"]),
    ],
)
def test_a_long_signature_is_found(source, counts):
    assert list(long_signatures("m", ast.parse(source))) == counts


def test_a_pronoun_is_found_as_parameter_variable_and_loop_variable():
    source = "def f(what): pass\nfound = 1\nfor one in x: pass\n[how for how in x]\nfoundation = where()\nx.made = 1"
    names = [text.rpartition(" ")[2] for text in pronouns("m", ast.parse(source))]
    assert sorted(names) == ["found", "how", "one", "what"]
