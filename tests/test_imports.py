"""Who may import whom, read from the sources; and the data commands where neither keras nor tensorflow can be had."""

import ast
import json
import re
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import numpy as np

from yt8m.data.records.video_index import read_index
from yt8m.prediction.table import Predictions, write_predictions
from yt8m.storage import file_crc32c

ROOT = Path(__file__).parents[1]
LIBRARY = ROOT / "yt8m"
SAMPLE = ROOT / "sample"
FLOORS = (
    ("errors", "progress", "seeds", "ragged", "quiet"),
    ("storage",),
    ("artifacts", "vocabulary", "code_version"),
    ("presets",), ("pages",), ("models",), ("data",), ("loader",), ("registry",), ("prediction",), ("evaluation",),
    ("training",), ("second_stage",), ("checks",), ("promotion",), ("submission",), ("runs",), ("paper",),
    ("commands",), ("cli", "with_parent", "__main__"),
)  # fmt: skip
"""The rooms of the library, and what lies loose beside them, from the ground up; see docs/architecture.md."""
FLOOR_OF = {unit: number for number, units in enumerate(FLOORS) for unit in units}
WITH_KERAS = {"models", "training", "prediction/predict.py"}
OF_ONE_ENGINE = {
    "tensorflow": {"training/engines/tensorflow.py", "training/saved_model.py"},
    "jax": {"training/engines/jax.py"},
}
LOADING_MODELS = {"commands/models.py"}  # the table of architectures builds each of them
VERTEX = "promotion/vertex.py"  # the one client of a service that is no storage; imported when it is asked for
HEAVY = {"keras", "tensorflow", "jax"}
GOOGLE = ("google.cloud", "google.api_core", "google.auth")


def python_files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*.py") if "__pycache__" not in path.parts)


def unit_of(file: Path) -> str:
    """The top-level module or package of yt8m that a file belongs to."""
    return file.relative_to(LIBRARY).parts[0].removesuffix(".py")


def imported(nodes: Iterator[ast.AST]) -> set[str]:
    names: set[str] = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports name the whole path"
            names |= {str(node.module)} | {f"{node.module}.{alias.name}" for alias in node.names}
    return names


@cache
def tree_of(file: Path) -> ast.Module:
    return ast.parse(file.read_bytes())


@cache
def imports(file: Path) -> set[str]:
    """Dotted names that a file imports, anywhere in its text."""
    return imported(ast.walk(tree_of(file)))


@cache
def imports_when_loaded(file: Path) -> set[str]:
    """Those that it imports when it is imported itself: outside functions."""
    return imported(outside_functions(tree_of(file)))


def outside_functions(node: ast.AST) -> Iterator[ast.AST]:
    """The nodes that run on import; of a function these are its decorators and defaults."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            defaults = [*child.args.defaults, *filter(None, child.args.kw_defaults)]
            for part in [*getattr(child, "decorator_list", []), *defaults]:
                yield from ast.walk(part)
        else:
            yield child
            yield from outside_functions(child)


def tops(names: set[str]) -> set[str]:
    return {name.split(".")[0] for name in names}


@cache
def loaded_with(file: Path) -> set[str]:
    """Top-level packages that importing a module of yt8m loads, itself and through others of yt8m."""
    seen: set[Path] = set()
    waiting, found = [file], set()
    while waiting:
        module = waiting.pop()
        if module in seen:
            continue
        seen.add(module)
        names = imports_when_loaded(module)
        found |= tops(names)
        for name in names:
            parts = name.split(".")
            if parts[0] == "yt8m":
                for depth in range(1, len(parts) + 1):
                    path = ROOT.joinpath(*parts[:depth])
                    waiting += [f for f in (path.with_suffix(".py"), path / "__init__.py") if f.exists()]
    return found


def test_a_room_stands_above_all_that_it_imports() -> None:
    for file in python_files(LIBRARY):
        here = FLOOR_OF.get(unit_of(file), -1)  # the package itself, which everybody imports, imports nothing
        names = {name for name in imports(file) if name.startswith("yt8m.")}
        above = {name for name in names if FLOOR_OF.get(name.split(".")[1], here) > here}
        assert above == set(), f"{file}: {unit_of(file)} stands below these"


def test_every_room_has_its_floor_and_every_floor_its_room() -> None:
    found = {unit_of(file) for file in python_files(LIBRARY) if file != LIBRARY / "__init__.py"}
    assert found == set(FLOOR_OF)
    assert sum(map(len, FLOORS)) == len(FLOOR_OF)


def test_the_library_knows_nothing_of_pipelines_and_little_of_engines() -> None:
    for file in python_files(LIBRARY):
        unit, names, units = unit_of(file), tops(imports(file)), {unit_of(file), str(file.relative_to(LIBRARY))}
        assert not names & {"kfp", "kubernetes", "components", "pipeline", "targets"}, file
        for engine, files in OF_ONE_ENGINE.items():
            assert engine not in loaded_with(file) or units & files, file
            assert engine not in names or units & files, file
        assert "keras" not in names or units & WITH_KERAS, file
        if not units & (WITH_KERAS | LOADING_MODELS):
            assert not loaded_with(file) & HEAVY, file
        if unit != "storage":
            cloud = {name for name in imports(file) if name.startswith(GOOGLE)}
            if str(file.relative_to(LIBRARY)) == VERTEX:
                assert cloud, file
                assert not cloud & imports_when_loaded(file), file
                assert not any(name.startswith("google.cloud.storage") for name in cloud), file
            else:
                assert not cloud, file
            assert not names & {"gcsfs", "fsspec", "boto3"}, file


def test_a_component_imports_kfp_at_the_top_and_the_library_in_its_body() -> None:
    for file in python_files(ROOT / "components"):
        assert tops(imports_when_loaded(file)) <= {"kfp", "typing"}, file
        assert tops(imports(file)) - {"kfp", "typing"} <= {"yt8m", "shutil"}, file
        assert not imports(file) & {"__future__.annotations"}, file


NOT_COLLECTED = ("long_*.py", "in_docker_*.py", "on_cluster.py", "two_devices.py", "saving.py")


def test_what_a_quick_run_does_not_collect_imports_what_is_there() -> None:
    """The long sweeps, and the tests that need docker or a cluster: nothing else would tell that a module has moved."""
    files = [*ROOT.glob("benchmarks/*.py"), *(file for name in NOT_COLLECTED for file in ROOT.glob(f"tests/**/{name}"))]
    ours = {"yt8m", "targets", "tests", "benchmarks", "components"}
    missing = {
        f"{file.relative_to(ROOT)}: {node.module}"
        for file in files
        for node in ast.walk(tree_of(file))
        if isinstance(node, ast.ImportFrom) and node.module and node.module.partition(".")[0] in ours
        and not any(ROOT.joinpath(*node.module.split(".")).with_suffix(end).exists() for end in (".py", ""))
    }  # fmt: skip
    assert not missing


def test_the_pipeline_imports_neither_a_framework_nor_what_draws() -> None:
    for file in [ROOT / "pipeline.py", *python_files(ROOT / "targets")]:
        assert not tops(imports(file)) & HEAVY, file
    script = 'import sys, pipeline; print(*({"keras", "tensorflow", "matplotlib"} & sys.modules.keys()))'
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout.strip()) == (0, ""), done.stderr


def test_no_environment_is_read_on_import() -> None:
    ours = (file for name in ("yt8m", "components", "targets") for file in python_files(ROOT / name))
    for file in (ROOT / "pipeline.py", *ours):
        for node in outside_functions(tree_of(file)):
            name = node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""
            assert name not in {"environ", "getenv", "environb"}, f"{file}:{node.lineno}"


def test_what_runs_on_import_is_told_from_what_runs_later() -> None:
    source = """
        import a
        from b import c
        class D:
            import e
            def f(self, x=os.environ):
                import g
                return lambda y=h.getenv: i.environ
        if True:
            from j.k import l
    """
    nodes = list(outside_functions(ast.parse(textwrap.dedent(source))))
    assert imported(iter(nodes)) == {"a", "b", "b.c", "e", "j.k", "j.k.l"}
    assert [node.attr for node in nodes if isinstance(node, ast.Attribute)] == ["environ"]


WITHOUT_FRAMEWORKS = """
import json
import sys

class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {"keras", "tensorflow", "jax", "torch"}:
            raise ModuleNotFoundError(f"no module {name} in this environment", name=name)

sys.meta_path.insert(0, Refuse())
from yt8m.cli import main
for command in sys.argv[1:]:
    assert main(json.loads(command)) == 0, command
assert not {"keras", "tensorflow"} & sys.modules.keys()
"""


def without_frameworks(*commands: list[object]) -> None:
    arguments = [json.dumps([str(word) for word in command]) for command in commands]
    done = subprocess.run([sys.executable, "-c", WITHOUT_FRAMEWORKS, *arguments], capture_output=True, text=True,
                          timeout=120)  # fmt: skip
    assert done.returncode == 0, done.stderr


def write_some_predictions(index_file: Path, output: Path) -> None:
    """Predictions that find the first label of each video and nothing else."""
    index = read_index(index_file)
    rng = np.random.default_rng(0)
    first = index.labels[index.bounds[:-1]]
    others = np.array([rng.permutation(np.setdiff1d(np.arange(3862), index.labels_of(i)))[:19]
                       for i in range(len(index))])  # fmt: skip
    is_first = np.isin(np.arange(len(index.labels)), index.bounds[:-1])
    ranks = np.where(is_first, 1, 2000 + np.arange(len(index.labels)) % 100).astype(np.int32)
    models = [{"name": "m", "fingerprint": "m", "training_set": "t"}]
    metadata = {"num_classes": 3862, "simulated": False, "level": "video", "fingerprint": "f", "models": models,
                "index": index.fingerprint()}  # fmt: skip
    write_predictions(output, Predictions(
        index.video_ids, index.labels, ranks, np.where(is_first, 0.9, 1e-3).astype(np.float32), index.bounds,
        np.column_stack([first, others]).astype(np.int32),
        np.tile(np.linspace(0.9, 0.1, 20, dtype=np.float32), (len(index), 1)), metadata,
    ))  # fmt: skip


def write_model(folder: Path) -> None:
    """The folder of the model that made these predictions; nothing here reads its weights."""
    folder.mkdir()
    weights = folder / "model.weights.h5"
    weights.write_bytes(b"weights")
    about = {"file": weights.name, "bytes": 7, "crc32c": file_crc32c(weights)}
    (folder / "model.json").write_text(json.dumps({
        "kind": "model", "name": "m", "architecture": "moe", "settings": {}, "level": "video", "num_classes": 3862,
        "weights": about, "preset": {}, "fingerprint": "m",
    }))  # fmt: skip


def test_the_data_commands_run_where_there_is_no_framework(tmp_path: Path) -> None:
    index, predictions = tmp_path / "index.parquet", tmp_path / "predictions.parquet"
    shard = SAMPLE / "validate" / "validate0050.tfrecord"
    without_frameworks(
        ["index", shard, "-o", index],
        ["statistics", index, "--vocabulary", SAMPLE / "vocabulary.csv", "-o", tmp_path / "statistics"],
        ["rebalance", index, "--recipe", "hard-x3", "-o", tmp_path / "training_set.parquet"],
        ["simulate", shard, "--max-frames", 3, "-o", tmp_path / "frames"],
    )
    write_some_predictions(index, predictions)
    write_model(tmp_path / "model")
    without_frameworks(
        ["evaluate", predictions, "-o", tmp_path / "metrics"],
        ["compare", predictions, predictions, "--index", index, "-o", tmp_path / "comparison"],
        ["analyze", predictions, "--index", index, "-o", tmp_path / "analysis"],
        ["submission", predictions, "-o", tmp_path / "submission.csv"],
        ["promote", tmp_path / "model", "--predictions", predictions, "--index", index, "--registry",
         tmp_path / "registry", "--floor", 0.01],
        ["promote", "--registry", tmp_path / "registry", "--show"],
    )  # fmt: skip
    assert (tmp_path / "registry" / "history" / "000001.json").exists()
    assert (tmp_path / "analysis" / "report.html").exists()
    assert (tmp_path / "submission.csv").read_text().startswith("VideoId,LabelConfidencePairs")


def global_draws(file: Path) -> set[str]:
    """Calls that read or set random state which the whole process shares."""
    found = {"random"} & tops(imports(file))
    for node in ast.walk(tree_of(file)):
        if not isinstance(node, ast.Call):
            continue
        name = ast.unparse(node.func)
        is_global = re.fullmatch(r"(np|tf)\.random\.[a-z_]+|keras\.utils\.set_random_seed", name)
        if (is_global and name != "np.random.default_rng") or (name.endswith(".SeedGenerator") and not node.args):
            found.add(name)
    return found


def test_nothing_draws_from_random_state_that_others_use() -> None:
    assert {str(file): found for file in python_files(LIBRARY) if (found := global_draws(file))} == {}


def test_every_way_to_keras_leads_through_the_pinned_environment() -> None:
    """Where a function brings Keras in, it does so inside `with quiet_start()`."""
    bare = set()
    for file in python_files(LIBRARY) + python_files(ROOT / "targets") + python_files(ROOT / "components"):
        if "keras" in loaded_with(file):
            continue
        tree = tree_of(file)
        starts = [node for node in ast.walk(tree) if isinstance(node, ast.With) and "quiet_start" in ast.unparse(node)]
        inside = {id(node) for start in starts for node in ast.walk(start)}
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and id(node) not in inside and brings_keras(node):
                bare.add(f"{file.relative_to(ROOT)}:{node.lineno}")
    assert bare == set()


def brings_keras(node: ast.ImportFrom) -> bool:
    names = [str(node.module), *(f"{node.module}.{alias.name}" for alias in node.names)]
    files = [ROOT / name.replace(".", "/") for name in names if name.startswith("yt8m")]
    found = [path for file in files for path in (file.with_suffix(".py"), file / "__init__.py") if path.exists()]
    return any("keras" in loaded_with(path) for path in found)
