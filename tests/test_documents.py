"""Every path in the documents is there: a file of the repository, or a place where the code puts something."""

import re
from pathlib import Path

import pytest

from yt8m.storage import join
from yt8m.training.train import checkpoint_home

ROOT = Path(__file__).parents[1]
PAGES = ["README.md", "sample/README.md", "yt8m/presets/recipes/README.md", *sorted(
    str(page.relative_to(ROOT)) for page in (ROOT / "docs").glob("*.md")
)]  # fmt: skip
FOLDERS = ("yt8m", "components", "targets", "tests", "docs", "sample", "benchmarks", "containers")
ROOMS = ("", "yt8m/", "docs/", "tests/promotion/", "tests/evaluation/comparison/")  # that pages speak from
WORK_ROOT = re.compile(r"(?:W|ROOT)/[\w./-]+")
GENERATED = re.compile(
    r"build/|/|W/|ROOT/|DIR/|gs://|roles/|data/frame|runs/RUN|reproduction/SCALE|my-profile/|Asia/|github.com/"
)
MADE = {
    "submission.csv", "summary.html", "summary.json", "report.html", "statistics.html", "validation.html",
    "training.html", "results.json", "metrics.json", "model.json", "history.csv", "timing.csv",
    "paper.html", "paper.json", "run.log", "lease.json", "parameters.yaml", "train/", "validate/", "test/", "logs/",
    "labels.csv", "errors.parquet", "analysis.json", "index.parquet", "vocabulary.csv", "my.yaml", "reranker.json",
}  # fmt: skip
"""Names of what commands write, which the tests of these commands look at, and of what users bring."""


def paths_in(page: str) -> set[str]:
    """What is quoted or linked and looks like a path, alone."""
    text = (ROOT / page).read_text(encoding="utf-8")
    words = set(re.findall(r"`([\w./:*-]+)`", text)) | set(re.findall(r"\]\(([\w./-]+)", text))
    return {word for word in words if "/" in word or re.search(r"\.(py|md|yaml|json|csv|html)$", word)}


def files_here() -> set[str]:
    parts = [ROOT.glob("*.*"), *((ROOT / name).rglob("*.*") for name in FOLDERS)]
    return {file.relative_to(ROOT).as_posix() for part in parts for file in part if file.is_file()}


@pytest.mark.parametrize("page", PAGES)
def test_every_file_that_a_page_names_is_there(page: str) -> None:
    files = files_here()
    known = files | {Path(file).name for file in files if file.startswith(("yt8m/", "tests/"))}
    folders = {f"{parent}/" for file in files for parent in Path(file).parents}
    folders |= {f"{Path(folder).name}/" for folder in folders if folder.startswith("yt8m/")}
    missing = set()
    for path in paths_in(page):
        if GENERATED.match(path) or path in MADE:
            continue
        place = path.partition("NAME")[0]
        if not any(room + place in known | folders or room + place + "/" in folders for room in ROOMS):
            missing.add(path)
    assert missing == set()


def test_a_checkpoint_lies_where_the_pages_say() -> None:
    places = {
        place for page in PAGES for place in WORK_ROOT.findall((ROOT / page).read_text()) if "checkpoint" in place
    }
    made = Path(checkpoint_home("W", {})).parent.as_posix()
    assert {place.rpartition("/")[0].partition("/")[2] for place in places} == {made.partition("/")[2]}
    assert join("W", "checkpoints") == made
