"""What every image must keep to, read from the Dockerfiles: pinned installs, no root, a tried entry point."""

import re
from pathlib import Path

import pytest

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
    assert re.findall(r"^FROM (\S+)", text, re.MULTILINE) == ["${BASE_IMAGE}"] * 2
    user = re.findall(r"^USER (\S+)", text, re.MULTILINE)
    assert user == ["1000:1000"]
    assert text.index("RUN yt8m --version") > text.index("USER ")
    assert 'ENTRYPOINT ["yt8m"]' in text


def test_the_data_image_has_no_framework_and_the_trainer_has_one_for_each_kind_of_machine() -> None:
    def names(file: str) -> set[str]:
        return set(re.findall(r"^([a-z0-9_.-]+)==", (REQUIREMENTS / file).read_text(), re.MULTILINE))

    assert not names("data.txt") & {"tensorflow", "tensorflow-cpu", "keras"}
    assert {"tensorflow", "keras"} <= names("trainer.txt")
    assert {"tensorflow-cpu", "keras"} <= names("trainer-cpu.txt")
    assert names("executor.txt") == {"kfp", "typing-extensions"}
    assert "ARG REQUIREMENTS=trainer.txt" in dockerfile("trainer")


def test_the_build_context_holds_the_library_and_the_requirements_alone() -> None:
    rules = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and not line.startswith("#")]
    assert rules[0] == "*"
    assert {rule[1:] for rule in rules if rule.startswith("!")} == {"LICENSE", "requirements/*.txt", "yt8m"}
    for name in IMAGES:
        for sources in re.findall(r"^COPY (?!--from)(.+) \S+$", dockerfile(name), re.MULTILINE):
            assert all(source.split("/")[0] in {"LICENSE", "requirements", "yt8m"} for source in sources.split())
