"""Back to the champion before, and what a registry holds."""

import os
from dataclasses import asdict
from typing import Any

from yt8m.champion.files import check_kept
from yt8m.champion.promote import now
from yt8m.champion.registry import Change, Registry
from yt8m.champion.vertex import VertexTarget, check_publishable, publish
from yt8m.errors import InputError

StrPath = str | os.PathLike[str]


def roll_back(registry: StrPath, *, reason: str = "", vertex: VertexTarget | None = None) -> dict[str, Any]:
    """Return to the champion before the present one; its files are checked first.

    Rolled back again, it is the one before that. A model that was taken back does not win again by itself.

    Args:
        registry: folder or gs:// address.
        reason: why, for the history.
        vertex: where the alias is moved, too.

    Returns:
        `reason`, `registry`, `champion` and `taken_back` (`{name, fingerprint, number}` each), and `vertex` (None, or
        `{model, version, uploaded}`).

    Raises:
        WriteConflict: a promotion or another rollback came first; nothing was changed.
        InputError: there is no earlier champion, or its files are damaged.
    """
    records = Registry(registry)
    current = records.champion()
    if current is None:
        raise InputError(f"{records.root}: there is no champion yet; promote a model first")
    if current.behind is None:
        raise InputError(f"{records.root}: {current.name} ({current.fingerprint}) is the first champion, there is none "
                         "before it to return to")  # fmt: skip
    change = _return(current, records.change(current.behind), reason)
    files = [entry["name"] for entry in check_kept(records.root, change.model)]
    check_publishable(records.root, files, vertex)
    records.add(change)
    return {
        "reason": change.reason,
        "registry": records.root,
        "champion": change.brief(),
        "taken_back": current.brief(),
        "vertex": publish(records, vertex) if vertex else None,
    }


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


def _return(current: Change, earlier: Change, reason: str) -> Change:
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
        decision={"takes_back": current.number, "fingerprint": current.fingerprint},
    )
