"""Which code made something: a fingerprint of what the library's sources do.

Comments, formatting, docstrings, and what errors and log lines say do not change it.
"""

import ast
import functools
import hashlib
from collections.abc import Iterable
from pathlib import Path

from yt8m.artifacts import fingerprint_bytes

ROOT = Path(__file__).parent
TABLES = frozenset({".npy", ".csv"})


@functools.cache
def code_version(*packages: str, without: frozenset[str] = frozenset()) -> str:
    """Fingerprint of code.

    Args:
        packages: packages or modules of yt8m, such as `training`. Their modules count together with every module that
            these import, directly or not, and with the tables beside them (`.npy`, `.csv`) that these name; presets,
            recipes and templates do not. A change of the report is then no change of the training. Without any, the
            whole library counts.
        without: modules and packages, such as `loader.files`, that do not count, nor what they alone import.
    """
    if not packages:
        return _of_files(file for file in ROOT.rglob("*") if file.is_file() and file.parent.name != "__pycache__")
    modules = counted_modules(packages, without)
    return _of_files({*modules, *(table for module in modules for table in _tables(module))})


def counted_modules(packages: Iterable[str], without: frozenset[str] = frozenset()) -> set[Path]:
    """The modules that count for packages: theirs, and those that these import anywhere in their text."""
    left_out = {ROOT.joinpath(*name.split(".")) for name in without}

    def counts(module: Path) -> bool:
        return not left_out & {module.with_suffix(""), *module.parents}

    found: set[Path] = set()
    waiting = [file for name in packages for file in ((ROOT / name).with_suffix(".py"), *(ROOT / name).rglob("*.py"))]
    waiting = [file for file in waiting if file.exists()]
    while waiting:
        module = waiting.pop()
        if module not in found and counts(module):
            found.add(module)
            waiting += {file for name in _imports(module) for file in _files(name)}
    return found


def _tables(module: Path) -> list[Path]:
    text = module.read_text(encoding="utf-8")
    return [file for file in module.parent.iterdir() if file.suffix in TABLES and file.name in text]


def _imports(module: Path) -> set[str]:
    """Dotted names that a module imports; `from a import b` counts as `a.b`, whether a module or a name in one."""
    return _read(module)[1]


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
    """What of a file counts: a module's syntax tree without what only people read, another file's bytes."""
    return _read(file)[0] if file.suffix == ".py" else file.read_bytes()


@functools.cache
def _read(module: Path) -> tuple[bytes, set[str]]:
    """What of a module counts (its hash), and the names in yt8m that it imports: all that one parse has to tell."""
    tree = ast.parse(module.read_bytes())
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    imported = {name for name in names if name.startswith("yt8m.")}
    return hashlib.sha256(ast.dump(_Unworded().visit(tree)).encode()).digest(), imported


class _Unworded(ast.NodeTransformer):
    """Takes docstrings, the words of errors that are raised, and log lines out of a syntax tree."""

    def generic_visit(self, node: ast.AST) -> ast.AST:
        super().generic_visit(node)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and _has_docstring(
            node
        ):
            node.body = node.body[1:]
        return node

    def visit_Raise(self, node: ast.Raise) -> ast.AST:
        """Keep the kind of the error."""
        if isinstance(node.exc, ast.Call):
            _unword(node.exc)
        return self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> ast.AST:
        """An error that is made here may be raised elsewhere."""
        if isinstance(node.func, ast.Name) and node.func.id.endswith("Error"):
            _unword(node)
        return self.generic_visit(node)

    def visit_Expr(self, node: ast.Expr) -> ast.AST:
        """Of `log(...)` nothing is left but that a statement is there."""
        call = node.value
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == "log":
            return ast.Pass()
        return self.generic_visit(node)


def _unword(call: ast.Call) -> None:
    """Take literal text out of the arguments of an error, and the values that are put into that text."""
    call.args = [
        value
        for value in call.args
        if not isinstance(value, ast.JoinedStr)
        and not (isinstance(value, ast.Constant) and isinstance(value.value, str))
    ]


def _has_docstring(node: ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    return ast.get_docstring(node, clean=False) is not None
