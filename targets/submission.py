"""A pipeline made ready to be sent: compiled for its target, its parameters checked, nothing left to guess."""

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from targets.compilation import CANDIDATES, SETTINGS, MakePipeline, compile_for
from targets.parameters import (
    check_meaning,
    check_places,
    declared,
    parse_assignments,
    read_parameters,
    read_pipeline,
)
from targets.remote import Job
from targets.settings import Profile, load_profile
from yt8m.artifacts import fingerprint
from yt8m.errors import InputError
from yt8m.progress import log
from yt8m.registry.candidates import read_candidates
from yt8m.storage import scratch_folder

PLACEHOLDER = "@sha256:" + 64 * "0"


@dataclass(frozen=True)
class Submission:
    """What is sent.

    Attributes:
        profile: where it runs.
        target: kfp or vertex.
        candidates: that it trains.
        values: all parameters, given or by default.
        job: for the service.
    """

    profile: Profile
    target: str
    candidates: list[dict[str, Any]]
    values: dict[str, Any]
    job: Job


def add_job_options(parser: argparse.ArgumentParser) -> None:
    """The options that say what runs."""
    parser.add_argument("--profile", default="dev", help="a profile of the settings file (default: dev)")
    parser.add_argument("--settings", type=Path, default=SETTINGS, help="default: settings.yaml")
    parser.add_argument("--candidates", type=Path, metavar="F", help="YAML list of {name, preset, overrides}")
    parser.add_argument("--parameters", type=Path, metavar="F", help="YAML mapping of parameters of the pipeline")
    parser.add_argument("--set-parameter", action="append", default=[], metavar="NAME=VALUE",
                        help="a parameter of the pipeline; may be repeated, and goes before --parameters")  # fmt: skip
    parser.add_argument("--service-account", default="", metavar="NAME", help="whose rights the steps have")


@contextmanager
def prepared(
    args: argparse.Namespace, make_pipeline: MakePipeline, name: str, defaults: dict[str, Any] | None = None
) -> Iterator[Submission]:
    """Compile the pipeline and check its parameters; the compiled file is there until the block ends.

    Args:
        args: the job options and the target.
        make_pipeline: the definition.
        name: of the run or the schedule.
        defaults: parameters that hold unless they are given.

    Raises:
        InputError: wrong settings, parameters or candidates, or images that are still to be filled in.
    """
    profile = usable_profile(args)
    with scratch_folder() as scratch:
        package = scratch / f"yt8m-{args.target}.yaml"
        compile_for(args.target, profile, CANDIDATES, package, make_pipeline)
        known = declared(read_pipeline(package))
        standing = {key: entry.get("defaultValue") for key, entry in known.items()}
        given = check_meaning({**(defaults or {}), **_given(args, known)}, standing)
        check_places(given, known, args.target, [volume.path for volume in profile.volumes])
        values = {**standing, **given}
        settings = fingerprint([package.read_text("utf-8"), given, args.service_account])
        job = Job(name, package, given, settings, args.service_account)
        candidates = check_meaning({"candidates": values["candidates"]})["candidates"]
        yield Submission(profile, args.target, candidates, values, job)


def usable_profile(args: argparse.Namespace) -> Profile:
    """The profile that the options name.

    Raises:
        InputError: wrong settings, or images that are still to be filled in.
    """
    profile = load_profile(args.settings, args.profile)
    for kind, image in profile.images.items():
        if image.endswith(PLACEHOLDER):
            raise InputError(f"{args.settings}: profiles > {profile.name} > images > {kind}: {image} is a placeholder; "
                             "put the digest there that `make push` prints")  # fmt: skip
    _tell_of_local_images(profile, args.target)
    return profile


def _tell_of_local_images(profile: Profile, target: str) -> None:
    """Say which images lie in no registry, so that a run does not wait for ever for their pull without a word."""
    local = [image for image in profile.images.values() if "/" not in image]
    if local:
        where = "Vertex AI cannot pull" if target == "vertex" else "unless they are on its nodes, a cluster cannot pull"
        log(f"profile {profile.name}: {where} {', '.join(local)}, as no registry is named; `make images push "
            "REGISTRY=... TAG=1` puts them into one, and --profile prod (or profiles > "
            f"{profile.name} > images in the settings file) names them there")  # fmt: skip


def _given(args: argparse.Namespace, known: dict[str, dict[str, Any]]) -> dict[str, Any]:
    values = read_parameters(args.parameters, known) if args.parameters else {}
    if args.candidates:
        values["candidates"] = read_candidates(args.candidates)
    return {**values, **parse_assignments(args.set_parameter, known)}
