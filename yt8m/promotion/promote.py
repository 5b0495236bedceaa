"""A challenger takes the champion's place, or is told why not."""

from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any

from yt8m.data.rebalance.training_set import read_training_set
from yt8m.errors import InputError
from yt8m.promotion.card import Card, render_card
from yt8m.promotion.contest import Contest, Thresholds, hold_contest
from yt8m.promotion.vertex import VertexTarget, check_publishable, is_told, publish
from yt8m.registry.champions import CARDS, REFUSALS, Change, Registry
from yt8m.registry.files import check_kept, keep_model
from yt8m.registry.manifest import LocatedModel, locate_model
from yt8m.storage import StrPath, exists, list_tree, read_bytes, write_json, write_text
from yt8m.vocabulary import read_vocabulary

ASKED = ("vertex", "run")


@dataclass(frozen=True)
class Terms:
    """On what terms a model is promoted.

    Attributes:
        thresholds: what it must reach.
        again: whether a model that was rolled back may win again.
        vertex: where the champion is published, too.
        run: on whose behalf; a step of it that is tried again has the same answer as the first time.
    """

    thresholds: Thresholds = field(default_factory=Thresholds)
    again: bool = False
    vertex: VertexTarget | None = None
    run: str = ""


def promote(
    model: StrPath,
    registry: StrPath,
    challenger: StrPath,
    champion: StrPath | None = None,
    *,
    terms: Terms | None = None,
    vocabulary: StrPath | None = None,
    training_set: StrPath | None = None,
    card: StrPath | None = None,
) -> dict[str, Any]:
    """Make a model the champion of a registry, if it earns it.

    Args:
        model: the challenger's folder, gs:// address or manifest.
        registry: folder or gs:// address; the first promotion makes it.
        challenger: its predictions of the validation videos, or of their promotion half.
        champion: predictions of the same videos by the champion; needed once there is one.
        terms: floor, gain, and where else to publish.
        vocabulary: names of labels, for the model card.
        training_set: what the model was trained on, for the model card.
        card: where a copy of the model card goes.

    Returns:
        `promoted`, `reason`, `registry`, `model` and `champion` (`{name, fingerprint, number}` of the one that is in
        force now), `decision` (scores on the promotion half, gain, thresholds; None when none was needed), `card` (in
        the registry, of the champion), and `vertex` (None, or `{model, version, uploaded}`).

    Raises:
        WriteConflict: another promotion came first; nothing was changed.
        InputError: a wrong file or threshold, or predictions of other models or videos.
    """
    terms, located, records = terms or Terms(), locate_model(model), Registry(registry)
    settled = settle(located, records, terms, card)
    if settled is not None:
        return settled
    current, held = records.champion(), records.contests()
    contest = hold_contest(located, current, challenger, champion, terms.thresholds, held)
    page = _card(contest, vocabulary, training_set)
    if contest.verdict.wins:
        _enthrone(records, contest, page, terms)
    else:
        _refuse(records, contest)
    if card is not None:
        write_text(card, page)
    outcome = _outcome(records, located, contest.verdict.wins, contest.verdict.reason, terms)
    return {**outcome, "decision": contest.as_json()}


def settle(
    located: LocatedModel, records: Registry, terms: Terms, card: StrPath | None = None
) -> dict[str, Any] | None:
    """The result where it takes no predictions: the model is the champion, or was rolled back; None otherwise.

    Args:
        located: the challenger.
        records: the registry.
        terms: of the promotion.
        card: where a copy of the champion's model card goes.

    Raises:
        InputError: the terms ask to publish what cannot be published.
    """
    check_publishable(records.root, None, terms.vertex)
    records.clear_leftovers()
    current = records.champion()
    reason = _settled(located, current, records, terms)
    if reason is None:
        if terms.vertex:
            check_publishable(records.root, list(list_tree(located.uri)), terms.vertex)
        return None
    if card is not None and current is not None:
        _copy_card(records, current, card)
    if current is not None and _is_own(records, current, located, terms):
        decision = {key: value for key, value in current.decision.items() if key not in ASKED}
        return {**_outcome(records, located, True, current.reason, terms), "decision": decision}
    return {**_outcome(records, located, False, reason, terms), "decision": None}


def _is_own(records: Registry, current: Change, located: LocatedModel, terms: Terms) -> bool:
    """Whether the champion became so by this very command, which failed afterwards and is tried again."""
    if current.kind != "promotion" or current.fingerprint != located.fingerprint:
        return False
    same_run = bool(terms.run) and current.decision.get("run") == terms.run
    return same_run or not is_told(records, current, terms.vertex)


def asked(vertex: VertexTarget | None, run: str = "") -> dict[str, str]:
    """What a change keeps of the command that brought it about, to know it again when it is retried."""
    return {**({"vertex": vertex.model} if vertex else {}), **({"run": run} if run else {})}


def now() -> str:
    """The time, UTC, ISO 8601."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def _settled(located: LocatedModel, current: Change | None, records: Registry, terms: Terms) -> str | None:
    """Why there is nothing to decide; None when there is."""
    if current is None:
        return None
    if current.fingerprint == located.fingerprint:
        return f"it is the champion already, since change {current.number} ({current.time})"
    taken_back = None if terms.again else records.taken_back(located.fingerprint)
    if taken_back is None:
        return None
    return (
        f"it was taken back by change {taken_back.number} ({taken_back.time}; {taken_back.reason}); promote it with "
        "--again if that no longer holds"
    )


def _enthrone(records: Registry, contest: Contest, page: str, terms: Terms) -> None:
    """Model and card first, then the change that names them."""
    kept, card = keep_model(contest.model, records.root), f"{CARDS}/{contest.identity}.html"
    write_text(records.path(*card.split("/")), page)
    number = contest.champion.number if contest.champion else 0
    records.add(
        Change(
            number=number + 1,
            kind="promotion",
            time=now(),
            name=str(contest.model.manifest.get("name", "")),
            fingerprint=contest.model.fingerprint,
            model=kept,
            reason=contest.verdict.reason,
            behind=number or None,
            card=card,
            decision={**contest.as_json(), **asked(terms.vertex, terms.run)},
        )
    )


def _refuse(records: Registry, contest: Contest) -> None:
    path = records.path(REFUSALS, f"{contest.identity}.json")
    if not exists(path):
        reason, decision = contest.verdict.reason, contest.as_json()
        write_json(path, {"time": now(), **_model(contest.model), "reason": reason, "decision": decision})


def _card(contest: Contest, vocabulary: StrPath | None, training_set: StrPath | None) -> str:
    return render_card(
        Card(
            manifest=contest.model.manifest,
            scores=contest.scores,
            against=contest.against,
            decision=contest.as_json(),
            promoted=contest.verdict.wins,
            simulated=contest.simulated,
            vocabulary=read_vocabulary(vocabulary) if vocabulary else None,
            training_set=read_training_set(training_set) if training_set else None,
        )
    )


def _copy_card(records: Registry, change: Change, target: StrPath) -> None:
    source = records.path(*change.card.split("/"))
    write_text(target, read_bytes(source).decode())


def _outcome(records: Registry, located: LocatedModel, promoted: bool, reason: str, terms: Terms) -> dict[str, Any]:
    current = records.champion()
    return {
        "promoted": promoted,
        "reason": reason,
        "registry": records.root,
        "model": _model(located),
        "champion": current.brief() if current else None,
        "card": records.path(*current.card.split("/")) if current else None,
        "vertex": publish(records, terms.vertex) if terms.vertex and current else None,
    }


def _model(located: LocatedModel) -> dict[str, Any]:
    return {"name": located.manifest.get("name"), "fingerprint": located.fingerprint}


def roll_back(
    registry: StrPath, *, reason: str = "", change: int | None = None, vertex: VertexTarget | None = None
) -> dict[str, Any]:
    """Return to the champion before the present one; its files are checked first.

    Rolled back again, it is the one before that. A model that was taken back does not win again by itself. A rollback
    of which Vertex was not told, or whose command was killed, is not done yet: the next call then ends it, and goes
    back no further.

    Args:
        registry: folder or gs:// address.
        reason: why, for the history.
        change: number of the change to take back; one that was taken back last is left so. None for the last one.
        vertex: where the alias is moved, too.

    Returns:
        `reason`, `registry`, `champion` and `taken_back` (`{name, fingerprint, number}` each), and `vertex` (None, or
        `{model, version, uploaded}`).

    Raises:
        WriteConflict: a promotion or another rollback came first; nothing was changed.
        InputError: there is no earlier champion, its files are damaged, or the change is not the one in force.
    """
    records = Registry(registry)
    records.clear_leftovers()
    current = records.champion()
    if current is None:
        raise InputError(f"{records.root}: there is no champion yet; promote a model first")
    if _is_done(records, current, change, vertex):
        made, taken_back = current, records.change(current.decision["takes_back"])
        files = [entry["name"] for entry in check_kept(records.root, made.model)]
        check_publishable(records.root, files, vertex)
    else:
        made, taken_back = _go_back(records, current, reason, vertex), current
    result = {
        "reason": made.reason,
        "registry": records.root,
        "champion": made.brief(),
        "taken_back": taken_back.brief(),
        "vertex": publish(records, vertex) if vertex else None,
    }
    records.note_ended(made)
    return result


def _is_done(records: Registry, current: Change, change: int | None, vertex: VertexTarget | None) -> bool:
    """Whether the change in force is the rollback that is asked for."""
    takes_back = current.decision.get("takes_back") if current.kind == "rollback" else None
    if change is None:
        return takes_back is not None and not (is_told(records, current, vertex) and records.has_ended(current))
    if change not in (current.number, takes_back):
        raise InputError(f"{records.root}: change {change} is not in force, but {current.number} ({current.kind} of "
                         f"{current.name}); look at the history with --show")  # fmt: skip
    return change == takes_back


def _go_back(records: Registry, current: Change, reason: str, vertex: VertexTarget | None) -> Change:
    if current.behind is None:
        raise InputError(f"{records.root}: {current.name} ({current.fingerprint}) is the first champion, there is none "
                         "before it to return to")  # fmt: skip
    change = _return(current, records.change(current.behind), reason, vertex)
    files = [entry["name"] for entry in check_kept(records.root, change.model)]
    check_publishable(records.root, files, vertex)
    records.add(change)
    return change


def show(registry: StrPath) -> dict[str, Any]:
    """`champion` (None before the first), `model` (where its files are), `history` and `refusals`, oldest first."""
    records = Registry(registry)
    history = records.history()
    champion = history[-1] if history else None
    return {
        "registry": records.root,
        "champion": asdict(champion) if champion else None,
        "model": records.path(*champion.model.split("/")) if champion else None,
        "history": [asdict(change) for change in history],
        "refusals": records.refusals(),
    }


def _return(current: Change, earlier: Change, reason: str, vertex: VertexTarget | None) -> Change:
    """The change from the present champion back to an earlier one."""
    why = f"rolled back from {current.name} ({current.fingerprint})" + (f": {reason}" if reason else "")
    return Change(
        number=current.number + 1,
        kind="rollback",
        time=now(),
        name=earlier.name,
        fingerprint=earlier.fingerprint,
        model=earlier.model,
        reason=why,
        behind=earlier.behind,
        card=earlier.card,
        decision={"takes_back": current.number, "fingerprint": current.fingerprint, "notes_end": True, **asked(vertex)},
    )
