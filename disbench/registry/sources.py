"""The files that a user's Python file consists of: itself, the modules next to it that it imports, and data it names.

Data are files with a suffix of weights or settings. A file with another one may be a log that the model writes, which
would give each run another key.

They are found in its syntax, without running it, so they are the same in every process. Names that code puts together
at run time are not found.
"""

import ast
from collections.abc import Iterator
from pathlib import Path, PurePath

from disbench.errors import InputError
from disbench.system.files import is_file, is_folder

IMPORTERS = {"import_module", "__import__"}  # functions that import the module that a text names
WEIGHTS = {".bin", ".ckpt", ".h5", ".mat", ".npy", ".npz", ".onnx", ".pkl", ".pt", ".pth", ".safetensors", ".ts"}
SETTINGS = {".ini", ".json", ".toml", ".txt", ".yaml", ".yml"}
LONGEST_PATH = 4096  # characters, PATH_MAX of Linux


def list_sources(path: Path) -> list[Path]:
    """List a Python file, the modules of its own that it imports, and files that a text in any of them names.

    Modules are in its folder. Where a module changes `sys.path`, they are also in the folders that its texts name, in
    its own folder and in the one above. A text names a file relative to the folder of its module, or to that of `path`,
    otherwise to the working directory. The folder names before it, as in `folder / "weights" / "w.pth"`, count.

    Raises:
        InputError: if a module cannot be read or is not Python.
    """
    # Python imports from the folder that a link leads to, but __file__ is the link.
    root = path.resolve().parent if path.is_symlink() else path.parent
    roots = {root: None}
    modules: dict[Path, None] = {}
    named: dict[Path, None] = {}
    imported: dict[str, None] = {}
    todo = {path: root}
    while todo:
        for module, top in todo.items():
            modules[module] = None
            tree = _parse(module)
            package = () if module == path else module.parent.relative_to(top).parts
            imported |= dict.fromkeys(_list_imports(tree, package))
            folders = list(dict.fromkeys((module.parent, path.parent)))
            for text in _list_texts(tree):
                named |= dict.fromkeys(_find_named(text, module, folders))
            if _changes_path(tree):
                above = [*folders, *(folder / ".." for folder in folders)]
                places = [folder / text for folder in above for text in _list_texts(tree)]
                roots |= dict.fromkeys([*above, *filter(is_folder, places)])
        todo = {}
        for folder, name in ((folder, name) for folder in roots for name in imported):
            for module in _find_modules(folder, name):
                if module not in modules:
                    todo.setdefault(module, folder)
    return list(modules | named)


def _find_named(text: str, module: Path, folders: list[Path]) -> list[Path]:
    """Find the files that a text in a module names: a path, the end of one such as "/w.pth", a suffix, or a pattern."""
    if text in WEIGHTS | SETTINGS:
        return [file for file in [module.with_suffix(text)] if is_file(file)]
    if len(text) > LONGEST_PATH or PurePath(text).suffix.lower() not in WEIGHTS | SETTINGS | {".py"}:
        return []
    while text:
        if "*" in text and "**" not in text and not text.startswith("/"):
            return sorted(file for folder in folders for file in _list_matches(folder, text))
        for places in ([folder / text for folder in folders], [Path(text)]):
            if files := [place for place in places if is_file(place)]:
                return files
        text = text.partition("/")[2]
    return []


def _list_matches(folder: Path, pattern: str) -> list[Path]:
    try:
        return list(folder.glob(pattern))
    except (OSError, ValueError, RecursionError):  # a text that no path can be
        return []


def _changes_path(tree: ast.Module) -> bool:
    return any(
        isinstance(node, ast.Attribute) and node.attr == "path" and _last_name(node.value) == "sys"
        for node in ast.walk(tree)
    )


def _parse(path: Path) -> ast.Module:
    try:
        return ast.parse(path.read_bytes())
    except (OSError, SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise InputError(f"{path}: cannot be imported ({type(error).__name__}: {error})") from None


def _list_imports(tree: ast.Module, package: tuple[str, ...]) -> Iterator[str]:
    """List the dotted names that a module of a package imports."""
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
            for name in _join([*node.args, *(keyword.value for keyword in node.keywords)][:1]):
                yield ".".join((*package, name[1:])) if name.startswith(".") else name


def _find_modules(root: Path, name: str) -> list[Path]:
    """Find the files of a dotted name below a folder: its packages and the module. [] for a module elsewhere."""
    parts = name.split(".")
    if not all(parts) or parts[0] == "disbench" or "/" in name:
        return []
    modules = []
    for count in range(1, len(parts) + 1):
        place = root.joinpath(*parts[:count])
        if is_file(package := place / "__init__.py"):
            modules.append(package)
        elif is_file(module := place.with_name(f"{place.name}.py")):
            return [*modules, module]
        elif not is_folder(place):
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
