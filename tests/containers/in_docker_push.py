"""`make push` to a registry, and what a run does with the digests that it prints."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from targets.docker_runner import find_images
from targets.settings import load_profile
from tests.containers.conftest import ROOT
from tests.emulators.registry import Registry

TAG = "pushed"


def sh(*command: str, **how: Any) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True, **how).stdout


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[str]:
    """The address of a registry, under which there are two small images to push."""
    registry = Registry()
    address = f"{registry.address}/project/yt8m"
    for name in ("data", "trainer"):
        (tmp_path / "content").write_text(f"of {name}")
        (tmp_path / "Dockerfile").write_text("FROM scratch\nCOPY content /\n")
        sh("docker", "build", "--quiet", "--tag", f"{address}/{name}:{TAG}", str(tmp_path))
    yield address
    registry.server.shutdown()


def forget(address: str) -> None:
    """Remove the images of a registry from this machine."""
    for image in set(sh("docker", "image", "ls", "--quiet", "--filter", f"reference={address}/*").split()):
        sh("docker", "image", "rm", "--force", image)


def test_pushed_images_are_found_by_the_digests_that_push_prints(registry: str, tmp_path: Path) -> None:
    printed = sh("make", "--silent", "push", f"REGISTRY={registry}", f"TAG={TAG}", cwd=ROOT)
    images = yaml.safe_load(printed)["images"]
    assert {name: re.sub("@sha256:[0-9a-f]{64}$", "", image) for name, image in images.items()} == {
        "data": f"{registry}/data", "trainer": f"{registry}/trainer",
    }  # fmt: skip
    settings = yaml.safe_load((ROOT / "settings.yaml").read_text())
    settings["profiles"]["prod"]["images"] = images
    (tmp_path / "settings.yaml").write_text(yaml.dump(settings))
    wanted = dict(load_profile(tmp_path / "settings.yaml", "prod").images)
    forget(registry)
    found = find_images(wanted)
    assert {key: image.name for key, image in found.items()} == images
    forget(registry)


def test_a_registry_that_does_not_answer_is_one_line(registry: str) -> None:
    silent = "127.0.0.1:9/yt8m"
    sh("docker", "tag", f"{registry}/data:{TAG}", f"{silent}/data:{TAG}")
    done = subprocess.run(["make", "--silent", "push", f"REGISTRY={silent}", f"TAG={TAG}"], cwd=ROOT,
                          capture_output=True, text=True, check=False)  # fmt: skip
    assert done.returncode == 2
    assert f"containers/images: {silent}/data:{TAG} cannot be pushed" in done.stderr
    forget(silent)
    forget(registry)
