"""Back to the champion before, and what a registry holds."""

from dataclasses import asdict
from typing import Any

from yt8m.errors import InputError
from yt8m.promotion.promote import asked, now
from yt8m.promotion.vertex import VertexTarget, check_publishable, is_told, publish
from yt8m.registry.champions import Change, Registry
from yt8m.registry.files import check_kept
from yt8m.storage import StrPath


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
