"""The fingerprint of code follows what the code does."""

from pathlib import Path
from typing import Any

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
    forget()
    yield root
    forget()


def forget() -> None:
    """As if the process had just begun."""
    code_version.cache_clear()
    module._read.cache_clear()


def versions() -> tuple[str, str]:
    forget()
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


def test_what_only_people_read_does_not_count(library: Path) -> None:
    file = library / "models" / "__init__.py"
    code = """
def create(size):
    if size < 1:
        raise InputError({words})
    log({line})
    return refusal(InputError({words}))
"""
    file.write_text(code.format(words='f"{size}: too small"', line='"making"'))
    before = versions()
    file.write_text(code.format(words='f"a size of {size}: 1 is the least"', line='f"making {size}"'))
    assert versions() == before
    file.write_text(code.format(words='f"{size}: too small"', line='"making"').replace("size < 1", "size < 2"))
    assert versions()[1] != before[1]


def test_a_module_that_is_left_out_does_not_count_nor_what_it_alone_imports(library: Path) -> None:
    (library / "models" / "__init__.py").write_text("from yt8m.files import read\n")
    (library / "files.py").write_text("from yt8m.disk import open\n")
    (library / "disk.py").write_text("A = 1\n")

    def training(**how: Any) -> str:
        forget()
        return code_version("training", **how)

    whole, part = training(), training(without=frozenset({"files"}))
    (library / "disk.py").write_text("A = 2\n")
    assert training() != whole
    assert training(without=frozenset({"files"})) == part
    assert training(without=frozenset({"disk"})) != part


def test_a_table_counts_for_the_modules_that_name_it(library: Path) -> None:
    (library / "models" / "sizes.npy").write_bytes(b"1")
    (library / "models" / "others.csv").write_bytes(b"1")
    (library / "models" / "__init__.py").write_text("FILE = 'sizes.npy'\n")
    before = versions()
    (library / "models" / "others.csv").write_bytes(b"2")
    assert versions()[1] == before[1]
    (library / "models" / "sizes.npy").write_bytes(b"2")
    assert versions()[1] != before[1]
