"""Which code made something: a fingerprint of the library's sources that comments and formatting do not change."""

import ast
import functools
from collections.abc import Iterable
from pathlib import Path

from yt8m.artifacts import fingerprint_bytes

ROOT = Path(__file__).parent
TABLES = frozenset({".npy", ".csv"})


@functools.cache
def code_version(*packages: str) -> str:
    """Fingerprint of code.

    Args:
        packages: packages of yt8m, such as `training`. Their modules count together with every module that these
            import, directly or not, and with tables beside them (`.npy`, `.csv`); presets, recipes and templates do
            not. A change of the report is then no change of the training. Without any, the whole library counts.
    """
    if not packages:
        return _of_files(file for file in ROOT.rglob("*") if file.is_file() and file.parent.name != "__pycache__")
    modules = _with_imports(file for package in packages for file in (ROOT / package).rglob("*.py"))
    tables = {table for module in modules for table in module.parent.iterdir() if table.suffix in TABLES}
    return _of_files({*modules, *tables})


def _with_imports(modules: Iterable[Path]) -> set[Path]:
    """These modules and those of yt8m that they import anywhere in their text, directly or not."""
    found: set[Path] = set()
    waiting = list(modules)
    while waiting:
        module = waiting.pop()
        if module not in found:
            found.add(module)
            waiting += {file for name in _imports(module) for file in _files(name)}
    return found


def _imports(module: Path) -> set[str]:
    """Dotted names that a module imports; `from a import b` counts as `a.b`, whether a module or a name in one."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(module.read_bytes())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return {name for name in names if name.startswith("yt8m.")}


def _files(name: str) -> Iterable[Path]:
    """The files that importing a dotted name of yt8m runs: each package on the way, and the module."""
    path = ROOT
    for part in name.split(".")[1:]:
        path = path / part
        yield from (file for file in (path.with_suffix(".py"), path / "__init__.py") if file.exists())


def _of_files(files: Iterable[Path]) -> str:
    parts = [(file.relative_to(ROOT).as_posix().encode(), _meaning(file)) for file in files]
    return fingerprint_bytes(*(part for pair in sorted(parts) for part in pair))


def _meaning(file: Path) -> bytes:
    """What of a file counts: a module's syntax tree without docstrings, another file's bytes."""
    if file.suffix != ".py":
        return file.read_bytes()
    tree = ast.parse(file.read_bytes())
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and _has_docstring(
            node
        ):
            node.body = node.body[1:]
    return ast.dump(tree).encode()


def _has_docstring(node: ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    return ast.get_docstring(node, clean=False) is not None
