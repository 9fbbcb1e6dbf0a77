"""The files that a user's Python file consists of: itself, the modules next to it that it imports, and data it names.

Data are files with a suffix of weights or settings. A file with another one may be a log that the model writes, which
would give each run another key.

They are found in its syntax, without running it, so they are the same in every process. Names that code puts together
at run time are not found.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

from disbench.errors import InputError

IMPORTERS = {"import_module", "__import__"}  # functions that import the module that a text names
MAX_NAME = 255  # bytes of a file's name
WEIGHTS = {".bin", ".ckpt", ".h5", ".mat", ".npy", ".npz", ".onnx", ".pkl", ".pt", ".pth", ".safetensors", ".ts"}
SETTINGS = {".ini", ".json", ".toml", ".txt", ".yaml", ".yml"}


def list_sources(path: Path) -> list[Path]:
    """List a Python file, the modules that it imports from its folder, and files that a text in any of them names.

    A text names a file relative to the folder of its module, or to the folder of `path`. The folder names before it, as
    in `folder / "weights" / "w.pth"`, count.

    Raises:
        InputError: if a module cannot be read or is not Python.
    """
    modules: dict[Path, None] = {}
    named: dict[Path, None] = {}
    todo = [path]
    while todo:
        module = todo.pop()
        if module in modules:
            continue
        modules[module] = None
        tree = _parse(module)
        for name in _list_imports(tree, module, path.parent):
            todo += _find_modules(path.parent, name)
        for text in _list_texts(tree):
            files = [folder / text for folder in dict.fromkeys((module.parent, path.parent))]
            named |= dict.fromkeys(file for file in files if file.suffix in WEIGHTS | SETTINGS and _is_file(file))
    return list(modules | named)


def _parse(path: Path) -> ast.Module:
    try:
        return ast.parse(path.read_bytes())
    except (OSError, SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise InputError(f"{path}: cannot be imported ({type(error).__name__}: {error})") from None


def _list_imports(tree: ast.Module, module: Path, root: Path) -> Iterator[str]:
    """List the dotted names that a module imports. Relative imports count from the root."""
    package = module.parent.relative_to(root).parts
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            before = package[: len(package) - node.level + 1] if node.level else ()
            name = ".".join((*before, *filter(None, [node.module])))
            yield from (f"{name}.{alias.name}" if name else alias.name for alias in node.names)
            if name:
                yield name
        elif isinstance(node, ast.Call) and _last_name(node.func) in IMPORTERS:
            for name in _join(node.args[:1]):
                yield ".".join((*package, name[1:])) if name.startswith(".") else name


def _find_modules(root: Path, name: str) -> list[Path]:
    """Find the files of a dotted name below a folder: its packages and the module. [] for a module elsewhere."""
    parts = name.split(".")
    if not all(parts) or parts[0] == "disbench":
        return []
    modules = []
    for count in range(1, len(parts) + 1):
        place = root.joinpath(*parts[:count])
        if _is_file(package := place / "__init__.py"):
            modules.append(package)
        elif _is_file(module := place.with_name(f"{place.name}.py")):
            return [*modules, module]
        elif not place.is_dir():
            break
    return modules


def _list_texts(tree: ast.Module) -> Iterator[str]:
    """List the texts of a module, and paths of several texts: `x / "a" / "b"` and `join(x, "a", "b")`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant):
            yield from _join([node])
        elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div):
            parts: list[ast.expr] = []
            while isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div):
                parts.insert(0, node.right)
                node = node.left
            yield from _join([node, *parts])
        elif isinstance(node, ast.Call):
            yield from _join(node.args)


def _join(nodes: list[ast.expr]) -> Iterator[str]:
    """Yield the path of the texts at the end of some expressions, if there are any."""
    texts: list[str] = []
    for node in reversed(nodes):
        if not isinstance(node, ast.Constant) or not isinstance(node.value, str):
            break
        texts.insert(0, node.value)
    if texts:
        yield "/".join(texts)


def _last_name(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


def _is_file(path: Path) -> bool:
    try:
        return len(path.name) <= MAX_NAME and path.is_file()
    except (OSError, ValueError):  # a text may be anything: too long, or with a null character
        return False
