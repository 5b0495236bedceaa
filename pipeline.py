"""The pipeline: index, rebalance, train the candidates, choose the best, explain its errors, write the submission.

`python pipeline.py compile` writes it for Kubeflow Pipelines and for Vertex AI; `python pipeline.py run` runs it on
this machine. Each command has `--help`.
"""

import argparse
import json
import re
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Dict, List, NamedTuple  # noqa: UP035  (KFP reads these names)

from kfp import compiler, dsl
from kfp.dsl.base_component import BaseComponent

from components.analyze_errors import analyze_errors
from components.evaluate import evaluate
from components.fingerprint_source import fingerprint_source
from components.index_videos import index_videos
from components.predict import predict
from components.rebalance import rebalance
from components.select_model import select_model
from components.statistics import statistics
from components.summarize_run import summarize_run
from components.train import train
from components.write_submission import write_submission
from targets.cluster import TARGETS, Target, configure
from targets.journal import StepFailed
from targets.run_command import add_run_options
from targets.settings import load_profile
from yt8m.candidates import check_candidates, read_candidates
from yt8m.cli import Parser
from yt8m.code_version import code_version
from yt8m.errors import InputError
from yt8m.storage import write_text

ROOT = Path(__file__).resolve().parent
SETTINGS = ROOT / "settings.yaml"
CANDIDATES = [
    {"name": "netvlad", "preset": "paper-netvlad", "overrides": {}},
    {"name": "netfv", "preset": "paper-netfv", "overrides": {}},
]
DEFAULT_CANDIDATES = re.compile(r"#\s+candidates: list \[Default: .*\]")  # a comment whose order varies
Configure = Callable[[dsl.PipelineTask, str], None]


class Outputs(NamedTuple):
    """What a run leaves."""

    report: dsl.HTML
    statistics: dsl.HTML
    submission: dsl.Dataset
    run_summary: dsl.Artifact


def make_pipeline(
    configure: Configure, candidates: list[dict[str, Any]], code: str, parallelism: int | None = None
) -> BaseComponent:
    """The pipeline, as a function of where it runs.

    Args:
        configure: gives a task its image and resources; it gets the task and its kind (data, train, predict).
        candidates: what is trained unless a run says otherwise.
        code: fingerprint of the library, which decides whether cached results are still right.
        parallelism: how many candidates are trained at a time; None for all.
    """

    def set_up(task: dsl.PipelineTask, kind: str, title: str = "") -> dsl.PipelineTask:
        configure(task, kind)
        return task.set_display_name(title) if title else task

    def index(source: str, partition: str, skip_bad_records: bool, code_version: str) -> dsl.PipelineTask:
        found = set_up(fingerprint_source(source=source), "data", f"fingerprint-source {partition}")
        found.set_caching_options(False)
        task = index_videos(
            source=source,
            source_fingerprint=found.output,
            code_version=code_version,
            skip_bad_records=skip_bad_records,
        )
        return set_up(task, "data", f"index-videos {partition}").outputs["video_index"]

    @dsl.pipeline(name="yt8m")
    def yt8m(
        train_source: str = "/data/yt8m/train",
        validation_source: str = "/data/yt8m/validate",
        test_source: str = "/data/yt8m/test",
        work_root: str = "/data/yt8m/work",
        vocabulary: str = "",
        candidates: List[Dict[str, Any]] = candidates,  # noqa: UP006
        recipe: str = "all",
        seed: int = 0,
        skip_bad_records: bool = False,
        code_version: str = code,
    ) -> Outputs:
        """Train video classifiers, choose the best, explain its errors and write the submission of the test set.

        Args:
            train_source: Shards of the train partition; a folder, a glob or a gs:// address. The defaults of the
                sources and of the work root lie on the shared volume that settings.yaml mounts at /data.
            validation_source: Shards of the validation partition.
            test_source: Shards of the test partition.
            work_root: Folder (on a shared volume) or gs:// address that outlives the run; models are kept there.
            vocabulary: The dataset's vocabulary.csv, for the names of labels; empty for none.
            candidates: Models to train and compare, each exactly {name, preset, overrides}.
            recipe: How the training set is made: all, rare, hard-x3, rare-then-all or all-then-rare.
            seed: Of everything random; the same seed makes the same models.
            skip_bad_records: Leave bad records out and count them, instead of stopping at the first.
            code_version: Fingerprint of the library; another value means that cached results are stale.

        Returns:
            report: Error analysis of the chosen model (HTML).
            statistics: Statistics of the train partition (HTML).
            submission: Predictions of the test set in the challenge's format (CSV).
            run_summary: Every candidate's results and the choice (JSON).
        """
        train_index = index(train_source, "train", skip_bad_records, code_version)
        validation_index = index(validation_source, "validate", skip_bad_records, code_version)
        test_index = index(test_source, "test", skip_bad_records, code_version)
        described = set_up(statistics(video_index=train_index, vocabulary=vocabulary), "data")
        balanced = set_up(
            rebalance(
                video_index=train_index, validation_index=validation_index, test_index=test_index,
                recipe=recipe, seed=seed,
            ),
            "data",
        )  # fmt: skip
        with dsl.ParallelFor(candidates, name="candidates", parallelism=parallelism) as candidate:
            trained = set_up(
                train(
                    candidate=candidate, training_set=balanced.outputs["training_set"],
                    validation_index=validation_index, work_root=work_root, vocabulary=vocabulary, seed=seed,
                ),
                "train",
            )  # fmt: skip
            predicted = predict(model=trained.outputs["model"], video_index=validation_index)
            set_up(predicted, "predict", "predict validate")
            measured = set_up(evaluate(predictions=predicted.outputs["predictions"]), "data")

        def results() -> dict[str, dsl.Collected]:  # the compiler changes a Collected, so each use needs its own
            return {
                "models": dsl.Collected(trained.outputs["model"]),
                "predictions": dsl.Collected(predicted.outputs["predictions"]),
                "metrics": dsl.Collected(measured.outputs["metrics"]),
            }

        chosen = set_up(select_model(**results()), "data")
        analyzed = analyze_errors(
            predictions=chosen.outputs["validation_predictions"], train_index=train_index, vocabulary=vocabulary
        )
        set_up(analyzed, "data")
        tested = set_up(predict(model=chosen.outputs["model"], video_index=test_index), "predict", "predict test")
        submitted = write_submission(predictions=tested.outputs["predictions"], test_index=test_index)
        set_up(submitted, "data")
        summarized = summarize_run(
            **results(), selected=chosen.outputs["model"],
            train_index=train_index, validation_index=validation_index, test_index=test_index,
        )  # fmt: skip
        set_up(summarized, "data")
        return Outputs(
            report=analyzed.outputs["report"],
            statistics=described.outputs["page"],
            submission=submitted.outputs["submission"],
            run_summary=summarized.outputs["run_summary"],
        )

    return yt8m


def compile_for(
    target: Target, profile_name: str, settings: Path, candidates: list[dict[str, Any]], path: Path
) -> None:
    """Write the pipeline for one target.

    Raises:
        InputError: wrong settings or candidates.
    """
    profile, candidates = load_profile(settings, profile_name), check_candidates(candidates)
    pipeline = make_pipeline(lambda task, kind: configure(task, kind, profile, target), candidates, code_version())
    with tempfile.TemporaryDirectory(prefix="yt8m-") as scratch:
        package = Path(scratch) / path.name
        compiler.Compiler().compile(pipeline, str(package))
        text = package.read_text(encoding="utf-8")
    default = f"#    candidates: list [Default: {json.dumps(candidates, sort_keys=True)}]"
    write_text(path, DEFAULT_CANDIDATES.sub(lambda _: default, text, count=1))


def compile_command(args: argparse.Namespace) -> None:
    """`compile`: one pipeline function, two files."""
    candidates = read_candidates(args.candidates) if args.candidates else CANDIDATES
    for target in TARGETS:
        path = args.output / f"yt8m-{target}.yaml"
        compile_for(target, args.profile, args.settings, candidates, path)
        print(path)


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """The command line; raises InputError."""
    parser = Parser(prog="pipeline.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True, metavar="compile|run", parser_class=Parser)
    _add_compile(commands.add_parser("compile", help="write it for Kubeflow Pipelines and for Vertex AI"))
    add_run_options(commands.add_parser("run", help="run it on this machine"), make_pipeline)
    return parser.parse_args(argv)


def _add_compile(parser: argparse.ArgumentParser) -> None:
    parser.description = "Write yt8m-kfp.yaml for Kubeflow Pipelines and yt8m-vertex.yaml for Vertex AI."
    parser.epilog = "example: python pipeline.py compile --profile prod -o build"
    parser.set_defaults(run=compile_command)
    parser.add_argument("--profile", default="dev", help="a profile of the settings file (default: dev)")
    parser.add_argument("--settings", type=Path, default=SETTINGS, help="default: settings.yaml")
    parser.add_argument("--candidates", type=Path, help="YAML list of {name, preset, overrides}: a run's default")
    parser.add_argument("-o", "--output", type=Path, default=Path("build"), help="folder to write to (default: build)")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code: 2 for wrong input, 1 for a step that failed otherwise."""
    try:
        args = parse(argv)
        args.run(args)
    except InputError as error:
        print(f"pipeline.py: error: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    except StepFailed as error:
        folder = Path(error.log).parent
        print(f"pipeline.py: error: {error}\n  full log: {error.log}\n"
              f"  to continue: python pipeline.py run --resume --output {folder}", file=sys.stderr)  # fmt: skip
        return 2 if error.wrong_input else 1
    except KeyboardInterrupt:
        print("pipeline.py: interrupted; to continue, run it with --resume and the same --output", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
