"""The paper's experiments as a pipeline in the images, under a real docker daemon, on a tiny plan."""

import json
import os
import subprocess
import sys
from pathlib import Path

import yaml

from tests.paper.conftest import PLAN, SAMPLE, write_slices

ROOT = Path(__file__).parents[2]
IMAGES = {"data": "yt8m-data:test", "trainer": "yt8m-trainer:test"}


def test_each_step_runs_in_its_image_and_the_page_is_the_caller_s(tmp_path: Path) -> None:
    settings = tmp_path / "settings.yaml"
    text = (ROOT / "settings.yaml").read_text()
    settings.write_text(text.replace("yt8m-data:dev", IMAGES["data"]).replace("yt8m-trainer:dev", IMAGES["trainer"]))
    (tmp_path / "plan.yaml").write_text(yaml.safe_dump(PLAN, sort_keys=False))
    shards = write_slices(tmp_path)
    for folder in (tmp_path, tmp_path.parent, tmp_path.parent.parent):
        folder.chmod(0o755)
    done = subprocess.run(
        [sys.executable, ROOT / "pipeline.py", "reproduce", "--runner", "docker", "--settings", settings, "--scale",
         "tiny", "--seeds", "1", "--plan", tmp_path / "plan.yaml", "--train", shards["train"], "--validation",
         shards["validation"], "--vocabulary", SAMPLE / "vocabulary.csv", "-o", tmp_path / "out"],
        capture_output=True, text=True, timeout=900, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    table = json.loads((tmp_path / "out" / "paper.json").read_text())
    assert isinstance(table["tripling"]["ours"]["difference"], float)
    assert "no-such-preset" in table["failing"]["cause"]
    assert (tmp_path / "out" / "paper.html").stat().st_uid == os.getuid()
    log = (tmp_path / "out" / "run.log").read_text()
    assert "in a container of sha256:" in log
