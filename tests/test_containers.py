"""What every image must keep to, read from the Dockerfiles: pinned installs, no root, a tried entry point."""

import re
import subprocess
from pathlib import Path

import pytest

from targets.settings import load_profile

ROOT = Path(__file__).parents[1]
REQUIREMENTS = ROOT / "requirements"
IMAGES = ["data", "trainer"]


def dockerfile(name: str) -> str:
    """The instructions, one a line, without comments."""
    text = (ROOT / "containers" / name / "Dockerfile").read_text()
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    return re.sub(r"\s*\\\n\s*", " ", "\n".join(lines))


@pytest.mark.parametrize("name", IMAGES)
def test_installs_are_pinned_by_hash_and_kfp_comes_without_what_it_drags_along(name: str) -> None:
    installs = re.findall(r"pip install (.+?)(?: && |$)", dockerfile(name), re.MULTILINE)
    assert len(installs) == 2
    assert all("--require-hashes" in install for install in installs)
    assert "--no-deps -r /requirements/executor.txt" in installs[1]
    for file in re.findall(r"requirements/(\S+\.txt)", dockerfile(name)):
        assert (REQUIREMENTS / file.replace("${REQUIREMENTS}", "trainer.txt")).exists()


@pytest.mark.parametrize("name", IMAGES)
def test_images_take_a_base_run_without_root_and_try_their_entry_point(name: str) -> None:
    text = dockerfile(name)
    assert text.lstrip().startswith("ARG BASE_IMAGE=")
    assert re.findall(r"^FROM (\S+)", text, re.MULTILINE) == ["${BASE_IMAGE}", "dependencies", "${BASE_IMAGE}"]
    user = re.findall(r"^USER (\S+)", text, re.MULTILINE)
    assert user == ["1000:1000"]
    assert text.index("RUN yt8m --version") > text.index("USER ")
    assert 'ENTRYPOINT ["yt8m"]' in text
    assert re.search(r'^HEALTHCHECK .*CMD \["yt8m", "--version"\]$', text, re.MULTILINE)


@pytest.mark.parametrize("name", IMAGES)
def test_code_lies_in_a_layer_of_its_own_after_what_it_depends_on(name: str) -> None:
    last = dockerfile(name).split("FROM ${BASE_IMAGE}")[-1]
    copies = re.findall(r"^COPY --from=(\S+) \S+ (\S+)$", last, re.MULTILINE)
    assert copies == [("dependencies", "/opt/yt8m"), ("code", "/opt/yt8m/lib/python3.11/site-packages/yt8m")]
    assert re.findall(r"^COPY (yt8m) ", dockerfile(name).split("FROM dependencies AS code")[0], re.MULTILINE) == []


def test_the_settings_and_the_build_agree_on_the_names_of_images() -> None:
    images = load_profile(ROOT / "settings.yaml", "dev").images
    assert images == {"data": "yt8m-data:dev", "trainer": "yt8m-trainer:dev"}
    script = (ROOT / "containers" / "images").read_text()
    assert 'echo "yt8m-$1:$tag"' in script
    assert "tag=${TAG:-dev}" in script


@pytest.mark.parametrize("command", [["images", "build"], ["images", "push"], ["images"]])
def test_without_docker_a_build_is_one_line(command: list[str]) -> None:
    done = subprocess.run(
        [str(ROOT / "containers" / command[0]), *command[1:]], capture_output=True, text=True, timeout=60,
        env={"PATH": "/usr/local/bin:/usr/bin:/bin", "DOCKER_HOST": "unix:///no/such.sock"}, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr == "containers/images: docker does not answer; start its daemon\n"
