"""The fingerprint of code follows what the code does."""

from pathlib import Path

import pytest

from yt8m import code_version as module
from yt8m.code_version import code_version


@pytest.fixture
def library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A library of three units: training imports models lazily, report is by itself."""
    root = tmp_path / "yt8m"
    for file, text in {
        "training/train.py": '"""Doc."""\ndef train():\n    from yt8m.models import create\n    return create()\n',
        "models/__init__.py": "from yt8m import numbers\n\n\ndef create():\n    return numbers.ONE\n",
        "numbers.py": "ONE = 1\n",
        "report.py": "TITLE = 'a'\n",
        "presets/small.yaml": "epochs: 1\n",
    }.items():
        path = root / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    monkeypatch.setattr(module, "ROOT", root)
    code_version.cache_clear()
    yield root
    code_version.cache_clear()


def versions() -> tuple[str, str]:
    code_version.cache_clear()
    return code_version(), code_version("training")


def test_comments_docstrings_and_layout_do_not_count(library: Path) -> None:
    before = versions()
    file = library / "training" / "train.py"
    text = file.read_text().replace("Doc.", "Other words.").replace("return create()", "return create(  )  # so")
    file.write_text(text)
    assert versions() == before


@pytest.mark.parametrize(
    ("file", "text", "training_too"),
    [
        ("training/train.py", "def train(): return 2", True),
        ("models/__init__.py", "def create(): return 2", True),
        ("numbers.py", "ONE = 2", True),
        ("report.py", "TITLE = 'b'", False),
        ("presets/small.yaml", "epochs: 2", False),
        ("champion.py", "", False),
    ],
)
def test_a_unit_counts_with_all_that_it_imports_and_no_more(
    library: Path, file: str, text: str, training_too: bool
) -> None:
    before = versions()
    (library / file).write_text(text)
    after = versions()
    assert after[0] != before[0]
    assert (after[1] != before[1]) == training_too


def test_of_the_real_library() -> None:
    modules = module._with_imports((module.ROOT / "training").rglob("*.py"))
    names = {file.relative_to(module.ROOT).with_suffix("").as_posix() for file in modules}
    assert {"losses", "schedules", "presets/__init__", "loader/order", "models/net_vlad", "records/features"} <= names
    assert not any(name.startswith(("report", "analysis", "commands", "cli", "submission")) for name in names)
