"""The pipeline: index, rebalance, train the candidates, choose the best, explain its errors, write the submission.

`python pipeline.py compile` writes it for Kubeflow Pipelines and for Vertex AI; `run` runs it on this machine, `submit`
on a cluster, `schedule` there by a timetable; `estimate` says what that costs. `reproduce` is a second pipeline, of the
paper's experiments. Each command has `--help`.
"""

import argparse
import functools
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Dict, List  # noqa: UP035  (KFP reads these names)

from yt8m.cli import Parser, begin, begun, enter

if __name__ == "__main__":
    begin("pipeline.py")  # the imports below take seconds

from kfp import dsl
from kfp.dsl.base_component import BaseComponent

from components.analyze_errors import analyze_errors
from components.check_changes import check_changes
from components.evaluate import evaluate
from components.find_champion import find_champion
from components.fingerprint_source import fingerprint_source
from components.index_videos import index_videos
from components.judge_experiment import judge_experiment
from components.list_experiments import list_experiments
from components.predict import predict
from components.prepare_reproduction import prepare_reproduction
from components.promote_model import promote_model
from components.publish_reproduction import publish_reproduction
from components.publish_results import publish_results
from components.rebalance import rebalance
from components.select_model import select_model
from components.statistics import statistics
from components.summarize_run import summarize_run
from components.train import train
from components.train_run import train_run
from components.validate_data import validate_data
from components.write_submission import write_submission
from targets.compilation import CANDIDATES, add_compile_options
from targets.dag import steps_in
from targets.estimate import add_estimate_options
from targets.journal import StepFailed
from targets.remote import RunFailed
from targets.reproduction import add_reproduce_options, with_verb
from targets.run_command import add_run_options
from targets.schedule_command import add_schedule_options
from targets.submit_command import add_submit_options
from yt8m.checks.thresholds import read_thresholds

COMMANDS = "compile|run|submit|schedule|estimate|reproduce"
INTERRUPTED = {
    "run": "to continue, run it with --resume and the same --output",
    "reproduce": "to continue, run the same command again",
    "submit": "a run that was sent already goes on: look for it on the service's page before the command is run again",
    "schedule": "see what there is with `python pipeline.py schedule list`; the same command again does no harm",
}
"""What to do after Ctrl-C, by command."""
Configure = Callable[[dsl.PipelineTask, str], None]


def make_pipeline(
    configure: Configure,
    candidates: list[dict[str, Any]],
    code: str,
    *,
    parallelism: int | None = None,
    thresholds: dict[str, float] | None = None,
    rates: dict[str, float] | None = None,
    steps: list[dict[str, Any]] | None = None,
) -> BaseComponent:
    """The pipeline, as a function of where it runs.

    Args:
        configure: gives a task its image and resources; it gets the task and its kind (data, train, predict).
        candidates: what is trained unless a run says otherwise.
        code: fingerprint of the library and its images, which decides whether cached results are still right.
        parallelism: how many candidates are trained at a time; None for all.
        thresholds: that data must keep, unless a run says otherwise.
        rates: price of an hour by kind of step, for the summary.
        steps: of the pipeline itself, for the summary; None for those that `pipeline_steps` finds in it.
    """
    steps = pipeline_steps() if steps is None else steps
    job = {"job_name": dsl.PIPELINE_JOB_NAME_PLACEHOLDER, "job_id": dsl.PIPELINE_JOB_ID_PLACEHOLDER}
    thresholds, rates = read_thresholds(thresholds), rates or {}

    def set_up(task: dsl.PipelineTask, kind: str, title: str = "") -> dsl.PipelineTask:
        configure(task, kind)
        return task.set_display_name(title) if title else task

    def uncached(task: dsl.PipelineTask, title: str = "") -> dsl.PipelineTask:
        return set_up(task, "data", title).set_caching_options(False)

    @dsl.pipeline(name="yt8m")
    def yt8m(
        train_source: str = "/data/yt8m/train",
        validation_source: str = "/data/yt8m/validate",
        test_source: str = "/data/yt8m/test",
        work_root: str = "/data/yt8m/work",
        registry: str = "",
        vertex_project: str = "",
        vertex_region: str = "",
        vocabulary: str = "",
        candidates: List[Dict[str, Any]] = candidates,  # noqa: UP006
        recipe: str = "all",
        seed: int = 0,
        start_from: str = "nothing",
        floor: float = 0.5,
        min_gain: float = 0.0,
        thresholds: Dict[str, float] = thresholds,  # noqa: UP006
        skip_bad_records: bool = False,
        skip_unchanged: bool = False,
        webhook: str = "",
        code_version: str = code,
    ) -> None:
        """Train video classifiers, choose the best, explain its errors, write the submission of the test set, and
        promote the model if it beats the champion.

        What a run makes lies at runs/RUN below the work root: its pages, submission.csv, results.json, summary.json.

        Args:
            train_source: Shards of the train partition; a folder, a glob or a gs:// address. The defaults of the
                sources and of the work root lie on the shared volume that settings.yaml mounts at /data.
            validation_source: Shards of the validation partition.
            test_source: Shards of the test partition.
            work_root: Folder (on a shared volume) or gs:// address that outlives the run; models, checkpoints and
                the results of runs are kept there.
            registry: Folder or gs:// address of the champions; empty for registry below the work root.
            vertex_project: Google Cloud project whose Vertex AI Model Registry gets each champion too; empty for none.
            vertex_region: Its region.
            vocabulary: The dataset's vocabulary.csv, for the names of labels; labels outside it stop the run; empty for
                none, then reports have no names, and labels from 3862 on stop the run.
            candidates: Models to train and compare, each exactly {name, preset, overrides}.
            recipe: How the training set is made; the name of a recipe of the library.
            seed: Of everything random; the same seed makes the same models.
            start_from: Weights that training starts from; nothing or champion.
            floor: GAP that a model must exceed to become champion.
            min_gain: Gain in GAP over the champion that is enough by itself; 0 for none, then it must be beyond chance.
            thresholds: Name of a check of the data to the highest value that passes; a breach stops the run before
                training.
            skip_bad_records: Leave bad records out and count them, instead of stopping at the first.
            skip_unchanged: End at once when source, code, images and settings are those of the last run that ended
                well.
            webhook: Address that the run's summary is posted to as JSON; empty for none.
            code_version: Fingerprint of the library and its images; another value means that cached results are stale.
        """
        summarized = summarize_run(
            work_root=work_root, steps=steps, candidates=candidates, rates=rates, webhook=webhook, **job
        )
        with dsl.ExitHandler(uncached(summarized), name="run"):

            def fingerprinted(source: str, partition: str) -> dsl.PipelineTask:
                task = fingerprint_source(source=source, partition=partition, work_root=work_root, **job)
                return uncached(task, f"fingerprint-source {partition}")

            fingerprints = {
                "train": fingerprinted(train_source, "train"),
                "validation": fingerprinted(validation_source, "validate"),
                "test": fingerprinted(test_source, "test"),
            }
            looked = check_changes(
                **{f"{name}_fingerprint": task.output for name, task in fingerprints.items()},
                code_version=code_version, candidates=candidates, recipe=recipe, seed=seed, vocabulary=vocabulary,
                start_from=start_from, thresholds=thresholds, floor=floor, min_gain=min_gain,
                skip_bad_records=skip_bad_records, skip_unchanged=skip_unchanged, work_root=work_root,
            )  # fmt: skip
            uncached(looked)
            state = looked.outputs["Output"]
            names = {"vocabulary": vocabulary, "vocabulary_fingerprint": looked.outputs["vocabulary_fingerprint"]}
            with dsl.If(state != "", name="changed"):

                def index(name: str, source: str, partition: str) -> Any:
                    task = index_videos(
                        source=source, partition=partition, source_fingerprint=fingerprints[name].output,
                        code_version=code_version, skip_bad_records=skip_bad_records, work_root=work_root,
                    )  # fmt: skip
                    return set_up(task, "data", f"index-videos {partition}").outputs["video_index"]

                def champion_for(step: str, **how: Any) -> Any:
                    return uncached(find_champion(registry=registry, work_root=work_root, step=step, **job, **how),
                                    step).output  # fmt: skip

                champion = champion_for("find-champion")
                start = champion_for("find-champion to start from", start_from=start_from)
                train_index = index("train", train_source, "train")
                validation_index = index("validation", validation_source, "validate")
                test_index = index("test", test_source, "test")
                indexes = {"train_index": train_index, "validation_index": validation_index, "test_index": test_index}
                described = statistics(video_index=train_index, **names, work_root=work_root)
                set_up(described, "data")
                validated = validate_data(
                    **indexes, **names, candidates=candidates, champion=champion, registry=registry,
                    thresholds=thresholds, work_root=work_root,
                )  # fmt: skip
                set_up(validated, "data")
                balanced = rebalance(
                    video_index=train_index, validation_index=validation_index, test_index=test_index, recipe=recipe,
                    seed=seed, work_root=work_root,
                )  # fmt: skip
                set_up(balanced.after(validated), "data")  # not its profile: that changes with the champion
                with dsl.ParallelFor(candidates, name="candidates", parallelism=parallelism) as candidate:
                    trained = train(
                        candidate=candidate, training_set=balanced.outputs["training_set"],
                        validation_index=validation_index, work_root=work_root, **names, seed=seed,
                        start_from=start_from, champion=start, registry=registry,
                    )  # fmt: skip
                    set_up(trained, "train")
                    predicted = predict(
                        model=trained.outputs["model"], video_index=validation_index, partition="validate",
                        work_root=work_root,
                    )  # fmt: skip
                    set_up(predicted, "predict", "predict validate")
                    measured = evaluate(predictions=predicted.outputs["predictions"], work_root=work_root)
                    set_up(measured, "data")

                def results() -> dict[str, dsl.Collected]:  # the compiler changes a Collected, so each use has its own
                    return {
                        "models": dsl.Collected(trained.outputs["model"]),
                        "predictions": dsl.Collected(predicted.outputs["predictions"]),
                        "metrics": dsl.Collected(measured.outputs["metrics"]),
                    }

                chosen = set_up(select_model(**results(), work_root=work_root), "data")
                analyzed = analyze_errors(
                    predictions=chosen.outputs["validation_predictions"], train_index=train_index,
                    **names, work_root=work_root,
                )  # fmt: skip
                set_up(analyzed, "data")
                published = publish_results(
                    **results(), **indexes, selected=chosen.outputs["model"], statistics=described.outputs["page"],
                    validation=validated.outputs["page"], report=analyzed.outputs["report"], work_root=work_root, **job,
                )  # fmt: skip
                uncached(published)
                # what cannot be done from here on keeps back nothing that is published, and nothing after it
                promoted = promote_model(
                    model=chosen.outputs["model"],
                    validation_predictions=chosen.outputs["validation_predictions"],
                    validation_index=validation_index, training_set=balanced.outputs["training_set"],
                    profile=validated.outputs["profile"], registry=registry, vocabulary=vocabulary, floor=floor,
                    min_gain=min_gain, vertex_project=vertex_project, vertex_region=vertex_region, work_root=work_root,
                )  # fmt: skip
                set_up(promoted.after(published), "predict").set_caching_options(False)  # a champion may have come
                tested = predict(
                    model=chosen.outputs["model"], video_index=test_index, partition="test", work_root=work_root
                )
                set_up(tested.after(promoted), "predict", "predict test")
                submitted = write_submission(
                    predictions=tested.outputs["predictions"],
                    test_index=test_index,
                    model=chosen.outputs["model"],
                    work_root=work_root,
                )
                uncached(submitted)  # a run's folder gets its own

    return yt8m


@functools.cache
def pipeline_steps() -> list[dict[str, Any]]:
    """The pipeline's steps; see `targets.dag.steps_in`."""
    kinds: dict[str, str] = {}
    made = make_pipeline(lambda task, kind: kinds.update({task.name: kind}), CANDIDATES, "", steps=[])
    return steps_in(made.pipeline_spec, kinds)


def make_reproduction(configure: Configure, *, parallelism: int | None = None) -> BaseComponent:
    """The pipeline of the paper's experiments: their trainings, then a result of each experiment, then the page.

    Nothing of it is cached: trainings and results are kept at the work root, by all that decides them.

    Args:
        configure: gives a task its image and resources; it gets the task and its kind (data, train).
        parallelism: how many trainings are made at a time; None for all.
    """
    job = {"job_name": dsl.PIPELINE_JOB_NAME_PLACEHOLDER, "job_id": dsl.PIPELINE_JOB_ID_PLACEHOLDER}

    def set_up(task: dsl.PipelineTask, kind: str = "data") -> dsl.PipelineTask:
        configure(task, kind)
        return task.set_caching_options(False)

    @dsl.pipeline(name="yt8m-reproduce")
    def yt8m_reproduce(
        scale: str = "full",
        train_source: str = "/data/yt8m/train",
        validation_source: str = "/data/yt8m/validate",
        vocabulary: str = "",
        experiments: List[str] = [],  # noqa: UP006, B006  (a default that KFP writes down)
        seeds: int = 0,
        plan: str = "",
        work_root: str = "/data/yt8m/work",
    ) -> None:
        """Run the paper's experiments and write one page, paper.html, with ours beside the paper's.

        It lies with paper.json at reproduction/SCALE below the work root; a run that is started again goes on there.

        Args:
            scale: How large the experiments are; sample, simulated or full, or a scale of the plan.
            train_source: Shards of the train partition; a folder, a glob or a gs:// address. Frame-level ones at
                scale full, else video-level ones, of which frames are simulated.
            validation_source: Shards of the validation partition.
            vocabulary: The dataset's vocabulary.csv, for the label imbalance and the names of labels; empty for none.
            experiments: Names of the experiments; none for all.
            seeds: Trainings a run; 0 for as many as the scale has.
            plan: File or gs:// address of experiments of your own; empty for the library's.
            work_root: Folder (on a shared volume) or gs:// address that outlives the run.
        """
        asked = {
            "scale": scale, "train_source": train_source, "validation_source": validation_source,
            "vocabulary": vocabulary, "experiments": experiments, "seeds": seeds, "plan": plan, "work_root": work_root,
            **job,
        }  # fmt: skip
        with dsl.ExitHandler(set_up(publish_reproduction(**asked)), name="run"):
            prepared = set_up(prepare_reproduction(**asked))
            with dsl.ParallelFor(prepared.output, name="trainings", parallelism=parallelism) as training:
                trained = set_up(train_run(training=training, work_root=work_root, **job), "train")
            collected = dsl.Collected(trained.output)
            listed = set_up(list_experiments(trained=collected, trainings=prepared.output, work_root=work_root, **job))
            with dsl.ParallelFor(listed.output, name="experiments") as experiment:
                set_up(judge_experiment(experiment=experiment, work_root=work_root, **job))

    return yt8m_reproduce


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """The command line; raises InputError."""
    parser = Parser(prog="pipeline.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True, metavar=COMMANDS, parser_class=Parser)
    compiled = commands.add_parser("compile", help="write it for Kubeflow Pipelines and for Vertex AI")
    add_compile_options(compiled, make_pipeline)
    add_run_options(commands.add_parser("run", help="run it on this machine"), make_pipeline)
    add_submit_options(commands.add_parser("submit", help="run it on a cluster"), make_pipeline)
    add_schedule_options(commands.add_parser("schedule", help="run it on a cluster by a timetable"), make_pipeline)
    add_estimate_options(commands.add_parser("estimate", help="what a run reads, takes and costs"))
    add_reproduce_options(commands.add_parser("reproduce", help="the paper's experiments"), make_reproduction, Parser)
    return parser.parse_args(with_verb(sys.argv[1:] if argv is None else argv))


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code: 2 for wrong input, 1 for a step that failed otherwise."""
    args = argparse.Namespace(command="")

    def work() -> int:
        nonlocal args
        args = parse(argv)
        begun()
        try:
            args.run(args)
        except StepFailed as error:
            resume = f"python pipeline.py run --resume --output {Path(error.log).parent}"
            again = resume if args.command == "run" else "run the same command again"
            print(f"pipeline.py: error: {error}\n  full log: {error.log}\n  to continue: {again}", file=sys.stderr)
            return 2 if error.wrong_input else 1
        except RunFailed as error:
            print(f"pipeline.py: error: {error}", file=sys.stderr)
            return 1
        return 0

    return enter("pipeline.py", work, lambda: INTERRUPTED.get(args.command, ""))


if __name__ == "__main__":
    sys.exit(main())
