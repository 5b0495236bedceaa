"""Train a model by a preset, and write it with the history of its training.

DIR gets model/ (weights, model.json and, by TensorFlow, a SavedModel), history.csv, timing.csv, training.html and logs/
for TensorBoard. A training that was stopped continues when the same command is run again; a finished one is not
repeated, but written again if only --export-dtype, --saved-model or --max-model-bytes differ. SIGTERM or Ctrl-C makes
it write a checkpoint and end with exit code 75; a second Ctrl-C ends it at once.
"""

import argparse
from typing import Any, get_args

from yt8m.commands._staging import add_staging_arguments, staging_of
from yt8m.loader.known import Verify
from yt8m.presets import EXPORT_KEYS, parse_overrides, preset_names

EXAMPLE = (
    "yt8m train training_set.parquet --validation validate.parquet --preset logistic \\\n"
    "    --set epochs=5 --set schedule.base=0.02 -o runs/logistic"
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("training_set", help="the training set, made by `yt8m rebalance`")
    parser.add_argument("--validation", required=True, metavar="F", help="index of the videos to validate on")
    parser.add_argument(
        "--preset", required=True, metavar="NAME", help=f"{', '.join(preset_names())}, or a YAML file of your own"
    )
    parser.add_argument(
        "--set", action="append", default=[], dest="settings", metavar="KEY=VALUE",
        help="change the preset, e.g. model.clusters=16; can be given several times",
    )  # fmt: skip
    parser.add_argument("-o", "--output", required=True, metavar="DIR", help="the folder to write")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of everything random (default: 0)")
    parser.add_argument("--source", metavar="DIR", help="where the training shards lie, if they were moved")
    parser.add_argument("--validation-source", metavar="DIR", help="the same for the validation shards")
    parser.add_argument("--vocabulary", metavar="F", help="vocabulary.csv; its length is the number of classes")
    parser.add_argument("--num-classes", type=int, metavar="N", help="labels of the model (default: 3862)")
    parser.add_argument(
        "--export", default="best", metavar="best|last", help="weights of the best validation GAP, or the last ones"
    )
    parser.add_argument(
        "--checkpoint-minutes", type=float, default=10.0, metavar="N", help="between two checkpoints (default: 10)"
    )
    parser.add_argument(
        "--export-dtype",
        metavar="T",
        help="of the written weights, float32 or float16 (default: the preset's)",
    )
    parser.add_argument(
        "--max-model-bytes", type=int, metavar="N", help="refuse a larger model (default: 2^30, the challenge's limit)"
    )
    parser.add_argument(
        "--saved-model", action=argparse.BooleanOptionalAction, help="write a TensorFlow SavedModel (default: do)"
    )
    parser.add_argument(
        "--work-root", metavar="DIR", help="folder or gs:// address that outlives the machine, for the checkpoint"
    )
    parser.add_argument("--init-from", metavar="DIR", help="start from the weights of this trained model")
    parser.add_argument(
        "--teacher", metavar="F", help="learn from this trained model, or these predictions of the training videos, too"
    )
    parser.add_argument("--replicas", type=int, metavar="N", help="devices to train on (default: all visible GPUs)")
    parser.add_argument(
        "--verify", choices=get_args(Verify), default="first",
        help="compute a record's checksum each time that it is read, the first time, or never (default: first)",
    )  # fmt: skip
    add_staging_arguments(parser)


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Train."""
    overrides = parse_overrides(args.settings)
    overrides |= {key: getattr(args, key) for key in EXPORT_KEYS if getattr(args, key) is not None}
    from yt8m.training.train import train
    from yt8m.training.training_page import write_training_page

    return train(
        args.training_set,
        args.validation,
        args.preset,
        args.output,
        overrides=overrides,
        seed=args.seed,
        source=args.source,
        validation_source=args.validation_source,
        vocabulary=args.vocabulary,
        num_classes=args.num_classes,
        export=args.export,
        checkpoint_minutes=args.checkpoint_minutes,
        work_root=args.work_root,
        init_from=args.init_from,
        teacher=args.teacher,
        replicas=args.replicas,
        write_page=write_training_page,
        staging=staging_of(args),
        verify=args.verify,
    )


def render(result: dict[str, Any]) -> str:
    """The result in lines."""
    metrics, training = result["metrics"], result["training"]
    measured = ", ".join(f"{name} {value:.4f}" for name, value in metrics.items())
    size = f"{result['weights']['bytes'] / 1e6:,.1f} MB in {result['weights']['dtype']}"
    lines = [
        f"{result['name']}: {result['parameters']:,} parameters ({size}), {result['num_classes']:,} classes",
        f"trained {training['steps']:,} steps, {training['examples']:,} examples, in {training['seconds']:,.0f} s",
        f"at step {training['exported_step']:,}, on {training['validation_videos']:,} validation videos (of the half "
        f"that picks the step): {measured}",
    ]
    return "\n".join([*lines, "frames are simulated"] if result["simulated"] else lines)
