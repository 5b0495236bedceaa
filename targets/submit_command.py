"""`pipeline.py submit`: start a run on a cluster, and follow it if asked to."""

import argparse
import re
import secrets
import sys
import time
from datetime import UTC, datetime

from targets.compilation import MakePipeline
from targets.connect import add_connection_options, connect
from targets.estimate import confirm_estimate
from targets.remote import Progress, Run, RunFailed, Service, brief
from targets.submission import add_job_options, prepared
from yt8m.commands._numbers import positive
from yt8m.errors import InputError
from yt8m.progress import log
from yt8m.runs import records
from yt8m.runs.finish import SUMMARY
from yt8m.storage import exists, join, read_json

INTERRUPTED = 130
LABEL = re.compile(r"[a-z]+(-[a-z]+)*")


def add_submit_options(parser: argparse.ArgumentParser, make_pipeline: MakePipeline) -> None:
    """The options of `submit`."""
    parser.description = ("Start a run on Kubeflow Pipelines or Vertex AI and print its address. Settings, candidates "
                          "and parameters are checked before anything is sent.")  # fmt: skip
    parser.epilog = ("example: python pipeline.py submit --target kfp --host https://kubeflow.example.com/pipeline "
                     "--token-file token --profile prod --index build/train.parquet "
                     "--parameters parameters.yaml --wait")  # fmt: skip
    parser.set_defaults(run=lambda args: submit_command(args, make_pipeline))
    add_connection_options(parser)
    add_job_options(parser)
    parser.add_argument("--label", help="words in the name of the run, before the time (default: the profile)")
    parser.add_argument("--wait", action="store_true", help="follow the run; exit code 1 if it fails")
    parser.add_argument("--poll-seconds", type=positive, default=15.0, help="between two looks at a run (default: 15)")
    parser.add_argument("--index", metavar="F", help="index of the train partition (or a CSV of VideoId,Labels), for "
                        "the estimate that is shown before profile prod")  # fmt: skip
    parser.add_argument("--yes", action="store_true", help="go on after the estimate without asking")


def submit_command(args: argparse.Namespace, make_pipeline: MakePipeline) -> None:
    """Start a run, print its address, and with --wait follow it.

    Raises:
        InputError: wrong options, settings or parameters, or a service that refuses.
        RunFailed: with --wait, a run that failed or was cancelled.
    """
    with prepared(args, make_pipeline, run_name(args.label or words_of(args.profile))) as submission:
        if args.profile == "prod":
            confirm_estimate(submission, args.index, ask=not args.yes)
        service = connect(args)
        run = service.submit(submission.job)
        work_root = str(submission.values["work_root"])
    print(run.address, flush=True)
    if args.wait:
        follow(service, run, args.poll_seconds, work_root)


def run_name(label: str) -> str:
    """A name for a run that no other has, and by which the steps find the run that they belong to (`runs.records`).

    Raises:
        InputError: a label of other than lower-case words.
    """
    if not LABEL.fullmatch(label):
        raise InputError(
            f"--label {label}: lower-case words are needed, with dashes between them, such as nightly-check"
        )
    return f"yt8m-{label}-{datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.randbelow(10_000):04d}"


def words_of(profile: str) -> str:
    """The name of a profile as words that a run's name may have: `gpu2` -> `gpu`."""
    return re.sub("[^a-z]+", "-", profile.lower()).strip("-") or "run"


def check_name(name: str) -> None:
    """Names that both targets take: 1 to 128 lower-case letters, digits and dashes, a letter first.

    Raises:
        InputError: another name.
    """
    fits = 0 < len(name) <= 128 and name[0].isalpha() and all(c == "-" or c.isalnum() for c in name)
    if not (fits and name.isascii() and name == name.lower()):
        raise InputError(f"--name {name}: up to 128 lower-case letters, digits and dashes are allowed, a letter first")


def follow(service: Service, run: Run, seconds: float, work_root: str) -> None:
    """Report each change of a run on stderr until it ends; of a failure, what the run's own summary says of it.

    Raises:
        RunFailed: it failed or was cancelled.
        SystemExit: interrupted; the run goes on.
    """
    started, seen = time.monotonic(), Progress("", {})
    try:
        while not seen.ended:
            now = service.progress(run)
            _report(seen, now, time.monotonic() - started)
            seen = now
            if not seen.ended:
                time.sleep(seconds)
    except KeyboardInterrupt:
        log(f"no longer followed, but the run goes on: {run.address}")
        sys.exit(INTERRUPTED)
    if seen.state != "succeeded":
        states = sorted(step for step, state in seen.steps.items() if state == "failed")
        failed, reason = _told(work_root, run) or (states, seen.reason)
        where = f" in {', '.join(failed)}" if failed else ""
        raise RunFailed(f"the run {seen.state}{where}{f': {reason}' if reason else ''}; see {run.address}"
                        .replace("the run cancelled", "the run was cancelled"))  # fmt: skip


def _told(work_root: str, run: Run) -> tuple[list[str], str] | None:
    """The failed steps and their errors, by the run's summary; None where that is not to be read from here."""
    path = join(records.run_folder(work_root, records.run_name(run.name, run.id)), SUMMARY)
    try:
        summary = read_json(path) if exists(path) else {"failed": []}
    except InputError:
        return None
    errors = [
        str(row["error"]) for row in summary.get("steps", []) if row["step"] in summary["failed"] and row["error"]
    ]
    return (summary["failed"], brief("; ".join(errors))) if summary["failed"] else None


def _report(before: Progress, now: Progress, seconds: float) -> None:
    clock = f"{int(seconds // 60):3d}:{int(seconds % 60):02d}"
    for step, state in now.steps.items():
        if before.steps.get(step) != state:
            log(f"{clock}  {step}: {state}")
    if before.state != now.state:
        log(f"{clock}  run {now.state}")
