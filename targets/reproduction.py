"""`pipeline.py reproduce`: the pipeline of the paper's experiments, compiled, run on this machine or on a cluster."""

import argparse
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from kfp.dsl.base_component import BaseComponent

from targets.cluster import TARGETS, Target, configure
from targets.compilation import SETTINGS, compiled, tell_of_spot
from targets.connect import add_connection_options, connect
from targets.docker_runner import find_images
from targets.local import Request, run_locally
from targets.parameters import check_places, declared, parse_assignments, read_parameters, read_pipeline
from targets.remote import Job
from targets.run_command import DEFAULTS, ROOT, RUNNERS, in_images
from targets.settings import Profile, load_profile
from targets.submission import usable_profile
from targets.submit_command import follow, run_name
from yt8m.artifacts import fingerprint
from yt8m.commands._numbers import at_least, positive
from yt8m.commands.reproduce import render
from yt8m.errors import InputError
from yt8m.paper.experiments import load_paper
from yt8m.paper.steps import folder_of
from yt8m.paper.work import FILE, PAGE, wanted
from yt8m.progress import log
from yt8m.storage import atomic_file, read_json, scratch_folder, write_text

VERBS = ("run", "compile", "submit")
PARALLELISM = 4
MakeReproduction = Callable[..., BaseComponent]
MakeParser = type[argparse.ArgumentParser]


def with_verb(argv: Sequence[str]) -> list[str]:
    """The command line with `reproduce run` for `reproduce` alone, also before options."""
    words = list(argv)
    alone = words[:1] == ["reproduce"] and (len(words) == 1 or words[1].startswith("-"))
    return ["reproduce", "run", *words[1:]] if alone and words[1:2] not in (["-h"], ["--help"]) else words


def add_reproduce_options(parser: argparse.ArgumentParser, make: MakeReproduction, make_parser: MakeParser) -> None:
    """The commands of `reproduce` and their options."""
    parser.description = ("Run the paper's experiments as a pipeline and write one page with ours beside the paper's: "
                          "on this machine (`run`, which may be left out), or on a cluster (`submit`).")  # fmt: skip
    parser.epilog = "example: python pipeline.py reproduce --scale sample -o build/reproduce"
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="|".join(VERBS), parser_class=make_parser)
    _add_run_options(verbs.add_parser("run", help="on this machine"), make)
    _add_compile_options(verbs.add_parser("compile", help="write it for Kubeflow Pipelines and Vertex AI"), make)
    _add_submit_options(verbs.add_parser("submit", help="on a cluster"), make)


def _add_run_options(parser: argparse.ArgumentParser, make: MakeReproduction) -> None:
    parser.description = "Run the paper's experiments on this machine; what is finished is not repeated."
    parser.epilog = "example: python pipeline.py reproduce run --scale sample -o build/reproduce"
    parser.set_defaults(run=lambda args: print(run_here(args, make)))
    parser.add_argument("--scale", default="sample", help="sample, simulated or full (default: sample)")
    parser.add_argument(
        "--train", metavar="SOURCE", help="folder or glob of the training shards (default: the scale's)"
    )
    parser.add_argument("--validation", metavar="SOURCE", help="the same for the validation shards")
    parser.add_argument("--vocabulary", metavar="F", help="vocabulary.csv (default: the scale's)")
    parser.add_argument("--only", nargs="+", default=[], metavar="NAME", help="run these experiments alone")
    parser.add_argument(
        "--seeds", type=at_least(0), default=0, metavar="N", help="trainings a run (default: the scale's)"
    )
    parser.add_argument("--plan", metavar="F", help="experiments of your own, a file like yt8m/presets/paper.yaml")
    parser.add_argument("-o", "--output", type=Path, default=Path("build/reproduce"), help="default: build/reproduce")
    parser.add_argument("--runner", choices=RUNNERS, default=RUNNERS[0],
                        help="each step a subprocess, or a container of its image (default: subprocess)")  # fmt: skip
    parser.add_argument("--jobs", type=int, choices=(1, 2), default=DEFAULTS["jobs"], help="trainings at a time")
    _add_profile_options(parser)


def _add_compile_options(parser: argparse.ArgumentParser, make: MakeReproduction) -> None:
    parser.description = "Write yt8m-reproduce-kfp.yaml for Kubeflow Pipelines and yt8m-reproduce-vertex.yaml."
    parser.epilog = "example: python pipeline.py reproduce compile --profile prod -o build"
    parser.set_defaults(run=lambda args: compile_command(args, make))
    parser.add_argument("-o", "--output", type=Path, default=Path("build"), help="folder to write to (default: build)")
    _add_parallelism(parser)
    _add_profile_options(parser)


def _add_submit_options(parser: argparse.ArgumentParser, make: MakeReproduction) -> None:
    parser.description = ("Start the paper's experiments on Kubeflow Pipelines or Vertex AI and print the run's "
                          "address; first, what there is to train.")  # fmt: skip
    parser.epilog = ("example: python pipeline.py reproduce submit --target kfp --host URL --set-parameter "
                     "scale=simulated --set-parameter train_source=gs://BUCKET/video/train --wait")  # fmt: skip
    parser.set_defaults(run=lambda args: submit_command(args, make))
    add_connection_options(parser)
    parser.add_argument("--parameters", type=Path, metavar="F", help="YAML mapping of parameters of the pipeline")
    parser.add_argument("--set-parameter", action="append", default=[], metavar="NAME=VALUE",
                        help="a parameter of the pipeline; may be repeated, and goes before --parameters")  # fmt: skip
    parser.add_argument("--service-account", default="", metavar="NAME", help="whose rights the steps have")
    parser.add_argument("--wait", action="store_true", help="follow the run; exit code 1 if it fails")
    parser.add_argument("--poll-seconds", type=positive, default=15.0, help="between two looks at a run (default: 15)")
    parser.add_argument("--yes", action="store_true", help="go on after the estimate without asking")
    _add_parallelism(parser)
    _add_profile_options(parser)


def _add_profile_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--profile", default="dev", help="a profile of the settings file (default: dev)")
    parser.add_argument("--settings", type=Path, default=SETTINGS, help="default: settings.yaml")


def _add_parallelism(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--parallelism", type=at_least(1), default=PARALLELISM, metavar="N",
                        help=f"trainings at a time (default: {PARALLELISM})")  # fmt: skip


def compile_reproduction(
    target: Target, profile: Profile, path: Path, make: MakeReproduction, parallelism: int = PARALLELISM
) -> None:
    """Write the pipeline of the experiments for one target."""
    tell_of_spot(target, profile)
    pipeline = make(lambda task, kind: configure(task, kind, profile, target), parallelism=parallelism)
    write_text(path, compiled(pipeline, path.name))


def compile_command(args: argparse.Namespace, make: MakeReproduction) -> None:
    """Write both files."""
    profile = load_profile(args.settings, args.profile)
    for target in TARGETS:
        path = args.output / f"yt8m-reproduce-{target}.yaml"
        compile_reproduction(target, profile, path, make, args.parallelism)
        print(path)


def run_here(args: argparse.Namespace, make: MakeReproduction) -> str:
    """Run the experiments on this machine; the text to print at the end.

    Raises:
        InputError: wrong options or files.
        StepFailed: a step failed.
    """
    folder = args.output.resolve()
    docker = args.runner == "docker"
    images = dict(load_profile(args.settings, args.profile).images) if docker else None
    request = Request(_arguments(args, folder), args.jobs, images)
    found = find_images(images) if images else {}
    pipeline = make(in_images({kind: image.id for kind, image in found.items()}), parallelism=args.jobs)
    run_locally(pipeline, request, folder)
    made = folder_of(str(folder / "work"), args.scale)
    for name in (PAGE, FILE):
        with atomic_file(args.output / name) as copy:
            shutil.copyfile(os.path.join(made, name), copy)
    return render({**read_json(args.output / FILE), "output": str(args.output)})


def submit_command(args: argparse.Namespace, make: MakeReproduction) -> None:
    """Start the experiments on a cluster, print the run's address, and with --wait follow it.

    Raises:
        InputError: wrong options, settings or parameters, or a service that refuses.
        RunFailed: with --wait, a run that failed or was cancelled.
    """
    with _prepared(args, make) as (job, values):
        _confirm(values, ask=not args.yes)
        service = connect(args)
        run = service.submit(job)
    print(run.address, flush=True)
    if args.wait:
        follow(service, run, args.poll_seconds, str(values["work_root"]))


def _arguments(args: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """The parameters of a local run, with absolute paths.

    Raises:
        InputError: an unknown scale or experiment, or shards that are not named.
    """
    paper = load_paper(args.scale, args.plan)
    wanted(paper, args.only)
    sources = {}
    for partition in ("train", "validation"):
        given, own = getattr(args, partition), getattr(paper.scale, partition)
        if not given and len(own) != 1:
            raise InputError(f"--scale {args.scale}: name the shards of each partition; --{partition} is missing")
        sources[f"{partition}_source"] = _absolute(given) if given else str(ROOT / own[0])
    vocabulary = paper.scale.vocabulary and str(ROOT / paper.scale.vocabulary)
    return {
        "scale": args.scale,
        **sources,
        "vocabulary": _absolute(args.vocabulary) if args.vocabulary else vocabulary or "",
        "experiments": args.only,
        "seeds": args.seeds,
        "plan": _absolute(args.plan) if args.plan else "",
        "work_root": str(folder / "work"),
    }


def _absolute(path: str) -> str:
    return path if "://" in path else os.path.abspath(os.path.expanduser(path))


@contextmanager
def _prepared(args: argparse.Namespace, make: MakeReproduction) -> Iterator[tuple[Job, dict[str, Any]]]:
    """The job, and all parameters of it; the compiled file is there until the block ends."""
    profile = usable_profile(args)
    with scratch_folder() as scratch:
        package = scratch / f"yt8m-reproduce-{args.target}.yaml"
        compile_reproduction(args.target, profile, package, make, args.parallelism)
        known = declared(read_pipeline(package))
        given = read_parameters(args.parameters, known) if args.parameters else {}
        given |= parse_assignments(args.set_parameter, known)
        values = {**{key: entry.get("defaultValue") for key, entry in known.items()}, **given}
        if values["seeds"] < 0:
            raise InputError(f"parameter seeds: {int(values['seeds'])}; give the trainings a run, or 0 for the scale's")
        if not values["plan"]:
            wanted(load_paper(values["scale"]), values["experiments"])
        check_places(given, known, args.target, [volume.path for volume in profile.volumes])
        settings = fingerprint([package.read_text("utf-8"), given, args.service_account])
        yield Job(run_name("reproduce"), package, given, settings, args.service_account), values


def _confirm(values: dict[str, Any], *, ask: bool) -> None:
    """At a scale of real frames show how much there is to train, and on a terminal ask whether to go on."""
    if values["plan"] or load_paper(values["scale"]).scale.simulate is not None:
        return
    command = [
        sys.executable,
        "-P",
        "-m",
        "yt8m",
        "reproduce",
        "--estimate",
        "--scale",
        values["scale"],
        "-o",
        "unused",
    ]
    command += ["--only", *values["experiments"]] if values["experiments"] else []
    command += ["--seeds", str(int(values["seeds"]))] if values["seeds"] else []
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"})
    if done.returncode:
        if ask:
            raise InputError("the estimate failed (see the line above); go on without one with --yes")
        log("the estimate failed (see the line above); going on without one, as --yes says")
        return
    print(done.stdout, file=sys.stderr, end="")
    if ask and sys.stdin.isatty() and input("start this run? [y/N] ").strip().lower() not in {"y", "yes"}:
        raise InputError("not started, as you said no")
