"""Make a model the champion of a registry if it earns it, or say why not; return to the champion before; show them.

A challenger must exceed the floor and, where there is a champion, be better beyond chance (or by --min-gain or more).
The chance that one that is no better ever wins is at most 2.5 % over the whole life of a registry, so each further
contest asks for a larger gain. The verdict is about these two models, not about recipes: another seed makes another
model. Both are predicted anew on the same videos: the half of the validation index that has no part in choosing among
checkpoints and candidates. The model is copied into the registry whole. Of several promotions at once one wins, the
others are told.
"""

import argparse
from typing import Any

from yt8m.commands._staging import add_staging_arguments, staging_of
from yt8m.errors import InputError
from yt8m.promotion import Terms, Thresholds, VertexTarget, roll_back, show
from yt8m.promotion.contest import FLOOR
from yt8m.promotion.predict_and_promote import predict_and_promote
from yt8m.promotion.vertex import SERVING_IMAGE

EXAMPLE = """yt8m promote runs/netvlad/model --registry champion --index validate.parquet --floor 0.8
  yt8m promote --registry champion --show
  yt8m promote --registry champion --rollback --reason "complaints about music labels\""""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("model", nargs="?", metavar="MODEL", help="the challenger: folder, gs:// address or manifest")
    parser.add_argument("--registry", required=True, metavar="DIR", help="folder or gs:// address of the champions")
    parser.add_argument("--index", metavar="F", help="index of the validation videos")
    parser.add_argument("--predictions", metavar="F", help="the challenger's predictions of it, if there are any")
    parser.add_argument("--floor", type=float, default=FLOOR, metavar="GAP",
                        help=f"the GAP that it must exceed in any case (default: {FLOOR})")  # fmt: skip
    parser.add_argument("--min-gain", type=float, metavar="GAP",
                        help="a gain that is enough even if it may be chance; 1e-9 for any (default: 0, none is: it "
                        "must be beyond chance)")  # fmt: skip
    parser.add_argument("--again", action="store_true", help="let a model win that was rolled back")
    parser.add_argument("--rollback", action="store_true", help="return to the champion before")
    parser.add_argument("--reason", default="", metavar="TEXT", help="of the rollback, for the history")
    parser.add_argument("--change", type=int, metavar="N",
                        help="with --rollback: take back change N, and do nothing if that was done")  # fmt: skip
    parser.add_argument("--show", action="store_true", help="the champion, the history and the refusals")
    parser.add_argument("--vocabulary", metavar="F", help="names of labels, for the model card")
    parser.add_argument("--training-set", metavar="F", help="what it was trained on, for the model card")
    parser.add_argument("--card", metavar="F", help="write the model card there, too (HTML)")
    parser.add_argument("--source", metavar="DIR", help="where the shards lie, if they were moved")
    add_staging_arguments(parser)
    _add_vertex_arguments(parser)


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Promote, roll back or show."""
    _check(args)
    if args.show:
        return show(args.registry)
    vertex = _vertex_of(args)
    if args.rollback:
        return roll_back(args.registry, reason=args.reason, change=args.change, vertex=vertex)
    return predict_and_promote(
        args.model,
        args.registry,
        args.index,
        predictions=args.predictions,
        terms=Terms(Thresholds(args.floor, args.min_gain), args.again, vertex),
        source=args.source,
        staging=staging_of(args),
        page={name: getattr(args, name) for name in ("vocabulary", "training_set", "card")},
    )


def render(result: dict[str, Any]) -> str:
    """The result in lines."""
    if "history" in result:
        return _render_history(result)
    champion = result["champion"]
    if "taken_back" in result:
        lines = [f"The champion is {_name(champion)} again: {result['reason']}."]
    else:
        verdict = "promoted" if result["promoted"] else "not promoted"
        lines = [f"{_name(result['model'])}: {verdict}, because {result['reason']}."]
        lines += [f"champion    {_name(champion)}, change {champion['number']}"] if champion else ["no champion yet"]
        lines += [f"model card  {result['card']}"] if champion else []
    if result["vertex"]:
        how = "uploaded now" if result["vertex"]["uploaded"] else "was there"
        lines.append(f"Vertex AI   {result['vertex']['model']}@{result['vertex']['version']} is `champion` ({how})")
    return "\n".join(lines)


def _add_vertex_arguments(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("Vertex AI Model Registry (with --registry gs://...)")
    group.add_argument("--vertex-project", metavar="P", help="publish the champion there, too")
    group.add_argument("--vertex-region", metavar="R", help="such as us-central1")
    group.add_argument("--vertex-model", default="yt8m", metavar="ID", help="whose versions they are (default: yt8m)")
    group.add_argument("--serving-image", default=SERVING_IMAGE, metavar="URI",
                       help=f"container that serves the SavedModel (default: {SERVING_IMAGE})")  # fmt: skip
    group.add_argument("--vertex-endpoint", metavar="URL", help="of the API, if not that of the region")


def _vertex_of(args: argparse.Namespace) -> VertexTarget | None:
    if not args.vertex_project and not args.vertex_region:
        return None
    return VertexTarget(
        args.vertex_project or "", args.vertex_region or "", args.vertex_model, args.serving_image, args.vertex_endpoint
    )


def _check(args: argparse.Namespace) -> None:
    if args.change is not None and not args.rollback:
        raise InputError("--change names what --rollback takes back; give both, or neither")
    if args.show or args.rollback:
        if args.model or (args.show and args.rollback):
            raise InputError("--show and --rollback are by themselves, without a MODEL; see `yt8m promote --help`")
    elif not args.model or not args.index:
        raise InputError(
            "to promote, MODEL and --index are needed (or --show, or --rollback); see `yt8m promote --help`"
        )


def _render_history(result: dict[str, Any]) -> str:
    if not result["history"]:
        return f"{result['registry']}: no champion yet, {len(result['refusals'])} refused"
    lines = [f"champion  {_name(result['champion'])}, in {result['model']}", ""]
    lines += [f"{change['number']:>4}  {change['time']}  {change['kind']:<9}  {_name(change)}: {change['reason']}"
              for change in result["history"]]  # fmt: skip
    lines += [f"   -  {refusal['time']}  refused    {_name(refusal)}: {refusal['reason']}"
              for refusal in result["refusals"]]  # fmt: skip
    return "\n".join(lines)


def _name(model: dict[str, Any]) -> str:
    return f"{model['name']} ({model['fingerprint']})"
