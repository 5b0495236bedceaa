"""`pipeline.py run`: the whole pipeline on this machine, then its results as a table."""

import argparse
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from kfp import dsl
from kfp.dsl.base_component import BaseComponent

from targets.docker_runner import LocalImage, find_images
from targets.journal import StepFailed
from targets.local import Request, read_request, run_locally
from targets.publish import has_results, latest_run, report_run, runs_at
from targets.settings import load_profile
from yt8m.artifacts import fingerprint
from yt8m.code_version import code_version
from yt8m.commands._files import PIPELINE_FILES, refuse_inputs
from yt8m.data.rebalance.recipe import load_recipe
from yt8m.data.records.listing import level_at
from yt8m.data.records.simulate import simulate
from yt8m.errors import InputError
from yt8m.progress import log
from yt8m.quiet import ENGINES
from yt8m.registry.candidates import check_candidates, check_levels, read_candidates
from yt8m.registry.identity import installed_libraries
from yt8m.seeds import check_seed
from yt8m.storage import list_files, require_file

ROOT = Path(__file__).resolve().parent.parent
SAMPLE = ROOT / "sample"
SMALL_CANDIDATES = [
    {"name": "netvlad-small", "preset": "netvlad-small", "overrides": {}},
    {"name": "netfv-small", "preset": "netfv-small", "overrides": {}},
]
RUNNERS = ("subprocess", "docker")
DEFAULTS: dict[str, Any] = {
    "source": None,
    "output": Path("build/run"),
    "runner": "subprocess",
    "profile": "dev",
    "settings": ROOT / "settings.yaml",
    "candidates": None,
    "recipe": "all",
    "vocabulary": SAMPLE / "vocabulary.csv",
    "max_frames": 64,
    "seed": 0,
    "skip_bad_records": False,
    "jobs": 2 if (os.cpu_count() or 1) >= 4 else 1,
    "resume": False,
}
MakePipeline = Callable[..., BaseComponent]


def add_run_options(parser: argparse.ArgumentParser, make_pipeline: MakePipeline) -> None:
    """The options of `run`; a namespace holds those that were given, `DEFAULTS` the others."""
    parser.description = "Run the pipeline on this machine; a step whose inputs have not changed is not repeated."
    parser.epilog = "example: python pipeline.py run --source ~/yt8m/frame --output build/run"
    parser.set_defaults(run=lambda given: print(run_command(given, make_pipeline)))

    def add(*names: str, help: str, **how: Any) -> None:
        parser.add_argument(*names, default=argparse.SUPPRESS, help=help, **how)

    add("--source", help="folder that holds train, validate and test as folders, or shards named so; default: "
        "frame-level records made of the sample")  # fmt: skip
    add("-o", "--output", type=Path, help="default: build/run")
    add("--resume", action="store_true", help="continue the last run of --output, with its arguments: steps that it "
        "finished are reused, training continues at its last checkpoint")  # fmt: skip
    add("--runner", choices=RUNNERS, help="each step a subprocess, or a container of its image (default: subprocess)")
    add("--profile", help="with docker, whose images: a profile of the settings file (default: dev)")
    add("--settings", type=Path, help="default: settings.yaml")
    add(
        "--candidates", type=Path, help="YAML list of {name, preset, overrides}; default: netvlad-small and netfv-small"
    )
    add("--recipe", help="of the training set: a name, or a YAML file (default: all)")
    add("--vocabulary", type=Path, help="default: the sample's")
    add("--max-frames", type=int, help="of a simulated video (default: 64)")
    add("--seed", type=int, help="of everything random (default: 0)")
    add("--skip-bad-records", action="store_true", help="leave bad records out and count them")
    add("--jobs", type=int, choices=(1, 2), help="candidates at a time; each takes up to 1.5 GB of memory and a share "
        f"of the cores (default here: {DEFAULTS['jobs']})")  # fmt: skip


def run_command(given: argparse.Namespace, make_pipeline: MakePipeline) -> str:
    """Run the pipeline, or resume its last run; the text to print at the end.

    Args:
        given: the options that were given.
        make_pipeline: makes it, of what gives a task its image, the candidates, a code version and the parallelism.

    Raises:
        InputError: wrong options or files.
        StepFailed: a step failed.
    """
    options = argparse.Namespace(**{**DEFAULTS, **vars(given)})
    folder = options.output.resolve()
    if options.resume:
        _refuse_others(given)
        request = read_request(folder)
    else:
        refuse_inputs(PIPELINE_FILES["run"], options)
        request = _new_request(options, folder)
    found = find_images(request.images) if request.images is not None else {}
    request.arguments["code_version"] = _version(request.arguments, found)
    images = {kind: image.id for kind, image in found.items()}
    pipeline = make_pipeline(in_images(images), request.arguments["candidates"], "", parallelism=request.jobs)
    work_root = Path(request.arguments["work_root"])
    earlier = runs_at(work_root)
    try:
        run = run_locally(pipeline, request, folder)
    except StepFailed:
        for made in sorted(runs_at(work_root) - earlier):
            if has_results(made):
                print(report_run(None, made, options.output))
        raise
    return report_run(run, latest_run(work_root), options.output)


def _refuse_others(given: argparse.Namespace) -> None:
    others = [name for name in vars(given) if name in DEFAULTS and name not in ("resume", "output")]
    if others:
        raise InputError(f"--resume takes the arguments of the last run; leave out --{others[0].replace('_', '-')}, "
                         "or run without --resume")  # fmt: skip


def _new_request(options: argparse.Namespace, folder: Path) -> Request:
    candidates = read_candidates(options.candidates) if options.candidates else check_candidates(SMALL_CANDIDATES)
    vocabulary = require_file(options.vocabulary, "name the dataset's vocabulary.csv").resolve()
    load_recipe(options.recipe)
    check_seed(options.seed)
    docker = options.runner == "docker"
    images = dict(load_profile(options.settings, options.profile).images) if docker else None
    if options.source:
        sources = find_partitions(options.source)
    else:
        sources = simulate_sample(SAMPLE, folder.parent / "sample-frames", options.max_frames)
    for name in PARTITIONS:
        if level := level_at(sources[name]):
            check_levels(candidates, level, sources[name])
    arguments = {
        "train_source": sources["train"],
        "validation_source": sources["validate"],
        "test_source": sources["test"],
        "work_root": str(folder / "work"),
        "vocabulary": str(vocabulary),
        "candidates": candidates,
        "recipe": os.path.abspath(options.recipe) if os.path.isfile(options.recipe) else options.recipe,
        "seed": options.seed,
        "skip_bad_records": options.skip_bad_records,
    }
    return Request(arguments, options.jobs, images)


def _version(arguments: dict[str, Any], images: Mapping[str, LocalImage]) -> str:
    """What decides whether cached results are still right: code and libraries that run, and the recipe's file."""
    here = code_version()
    for image in images.values():
        if image.code_version not in (None, here):
            log(f"the image {image.name} holds other code than this checkout, and its code is what runs; "
                "`make images` builds it anew")  # fmt: skip
    running: list[Any] = [image.id for image in images.values()] or [here, *map(installed_libraries, ENGINES)]
    return fingerprint([running, load_recipe(arguments["recipe"]).source])


def in_images(images: Mapping[str, str]) -> Callable[[dsl.PipelineTask, str], None]:
    """Gives a task of a kind (data, train, predict) its image; without images, nothing."""

    def configure(task: dsl.PipelineTask, kind: str) -> None:
        if images:
            task.set_container_image(images["data" if kind == "data" else "trainer"])

    return configure


PARTITIONS = ("train", "validate", "test")


def find_partitions(source: str) -> dict[str, str]:
    """Partition -> source: the folders SOURCE/train, SOURCE/validate, SOURCE/test, or SOURCE/train*.tfrecord etc.

    Raises:
        InputError: no such folder, or a partition is in neither place.
    """
    root = Path(source).expanduser().absolute()
    if not root.is_dir():
        raise InputError(f"{source}: no such folder; name the folder of the shards with --source")
    found = {}
    for partition in PARTITIONS:
        pattern = root / f"{partition}*.tfrecord"
        if (root / partition).is_dir():
            found[partition] = str(root / partition)
        elif list(root.glob(pattern.name)):
            found[partition] = str(pattern)
        else:
            raise InputError(f"{source}: neither a folder {partition} nor a file {pattern.name} is there; "
                             f"a run needs {', '.join(PARTITIONS)}")  # fmt: skip
        list_files(found[partition])
    return found


def simulate_sample(sample: Path, output: Path, max_frames: int) -> dict[str, str]:
    """Partition -> folder of frame-level records made of the sample's video-level ones; those made before are kept.

    Args:
        sample: folder with train, validate and test.
        output: folder for the same three.
        max_frames: frames of a video at most.
    """
    folders = {name: str(output / name) for name in PARTITIONS}
    log(f"frame-level records of the sample, up to {max_frames} frames a video: {output}")
    for name, folder in folders.items():
        simulate([str(sample / name)], folder, max_frames=max_frames)
    return folders
