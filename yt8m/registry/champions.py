"""The registry of champions: a folder or gs:// address that says which model is in force, and which were before.

    history/000001.json, 000002.json, ...   one file a change of champion; the last one is in force
    models/{fingerprint}-{content}/         the files of a model, whole, with their checksums in `files.json`
    cards/                                  model cards
    refusals/                               challengers that did not win, each with the reason
    published/000001.json, ...              which version Vertex AI was told of after a change
    ended/000001.json, ...                  a rollback whose command came to its end

Protocol: there is no pointer beside the history that could disagree with it. Whoever read the history up to change n
writes change n + 1, and that file is created only if it is not there (locally by a hard link, on gs:// by the
precondition that its generation is 0). So of any number of changes that were decided on the same champion exactly one
comes about, the others are told, and a kill at any moment leaves the old champion or the new one. A model is copied
before the change that names it.
"""

import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from yt8m.errors import InputError, WriteConflict
from yt8m.storage import (
    StrPath,
    clear_leftovers,
    create_json,
    exists,
    is_remote,
    join,
    list_tree,
    read_json,
    write_json,
)

HISTORY, REFUSALS, CARDS, MODELS = "history", "refusals", "cards", "models"
PUBLISHED, ENDED = "published", "ended"
REMEDY = "name the registry that `yt8m promote` made"


@dataclass(frozen=True)
class Change:
    """A change of champion.

    Attributes:
        number: counts from 1.
        kind: `promotion` or `rollback`.
        time: when it was decided (UTC, ISO 8601).
        name: of the model, as `model.json` has it.
        fingerprint: of the model.
        model: folder of its files, relative to the registry.
        reason: why, in a sentence.
        behind: the number of the change that a rollback returns to; None when there is none.
        card: the model card, relative to the registry.
        decision: thresholds, scores and what they were measured on; of a rollback, which change it took back. Also
            what was asked for beside that: `vertex` (the resource of the model there) and `run`.
    """

    number: int
    kind: str
    time: str
    name: str
    fingerprint: str
    model: str
    reason: str
    behind: int | None = None
    card: str = ""
    decision: dict[str, Any] = field(default_factory=dict)

    def brief(self) -> dict[str, Any]:
        """`{name, fingerprint, number}`."""
        return {"name": self.name, "fingerprint": self.fingerprint, "number": self.number}


def contest_key(model: str, champion: str, decision: dict[str, Any]) -> tuple[str, str, str]:
    """What makes a contest: challenger, champion, and the videos (or, before these were noted, the index)."""
    return model, champion, str(decision.get("videos") or decision["index"])


class Registry:
    """The history of a registry, as files.

    Args:
        root: folder or gs:// address; it is made with the first promotion.
    """

    def __init__(self, root: StrPath):
        self.root = os.fspath(root)

    def history(self) -> list[Change]:
        """All changes, oldest first.

        Raises:
            InputError: a file of the history is damaged or missing.
        """
        return [self.change(number) for number in range(1, self._last() + 1)]

    def champion(self) -> Change | None:
        """The change that is in force; None before the first."""
        last = self._last()
        return self.change(last) if last else None

    def change(self, number: int) -> Change:
        """One change of the history."""
        path = self.path(HISTORY, f"{number:06d}.json")
        value = read_json(path, REMEDY)
        try:
            return Change(**value)
        except TypeError as error:
            raise InputError(f"{path}: not a change of champion ({error}); {REMEDY}") from error

    def add(self, change: Change) -> None:
        """Bring a change about, if no other one of its number has come about.

        Raises:
            WriteConflict: another one has; the champion is that one's.
        """
        try:
            create_json(self.path(HISTORY, f"{change.number:06d}.json"), asdict(change))
        except WriteConflict as error:
            other = self.champion()
            now = f"{other.name} ({other.fingerprint}, change {other.number})" if other else "another model"
            raise WriteConflict(
                f"{self.root}: another {other.kind if other else 'change'} came first, the champion is now {now}; "
                f"nothing was changed by this one. Run the command again to be judged against the new champion"
            ) from error

    def note_published(self, change: Change, place: str, version: str) -> None:
        """Leave word that a place such as Vertex AI has been told of a change."""
        write_json(self._published(change), {"model": place, "version": version})

    def is_published(self, change: Change, place: str) -> bool:
        """Whether a place has been told of a change."""
        path = self._published(change)
        return exists(path) and read_json(path, REMEDY).get("model") == place

    def note_ended(self, change: Change) -> None:
        """Leave word that the command of a rollback came to its end, so that the next one is another."""
        write_json(self._ended(change), {})

    def has_ended(self, change: Change) -> bool:
        """Whether the command of a rollback came to its end; rollbacks of earlier versions count as such."""
        return not change.decision.get("notes_end") or exists(self._ended(change))

    def taken_back(self, model: str) -> Change | None:
        """The rollback that took the model of a fingerprint back, if nothing has promoted it since."""
        found = None
        for change in self.history():
            if change.kind == "rollback" and change.decision.get("fingerprint") == model:
                found = change
            elif change.fingerprint == model:
                found = None
        return found

    def refusals(self) -> list[dict[str, Any]]:
        """Challengers that did not win, in the order of time."""
        values = [read_json(file.path) for file in list_tree(self.path(REFUSALS)).values()]
        return sorted(values, key=lambda value: str(value["time"]))

    def contests(self) -> dict[tuple[str, str, str], int]:
        """The numbers of the contests that were held against a champion, won or lost, each once.

        Of one challenger, champion and set of videos there is one contest, however often it is held again, on whatever
        terms: its outcome is one draw of chance. Those of registries that did not number them count in order of time.

        Returns:
            `contest_key` -> number, from 1.
        """
        held = [(change.time, change.fingerprint, change.decision) for change in self.history()]
        held += [(value["time"], value["fingerprint"], value["decision"]) for value in self.refusals()]
        numbers: dict[tuple[str, str, str], int] = {}
        for _, model, decision in sorted(held, key=lambda contest: str(contest[0])):
            if decision.get("gain") and decision.get("champion"):
                key = contest_key(model, decision["champion"]["fingerprint"], decision)
                numbers.setdefault(key, decision.get("contest", len(numbers) + 1))
        return numbers

    def clear_leftovers(self) -> None:
        """Remove what killed promotions and rollbacks left; for those that change the registry."""
        for name in (HISTORY, REFUSALS, CARDS, PUBLISHED, ENDED, MODELS) if not is_remote(self.root) else ():
            clear_leftovers(Path(self.path(name)))

    def path(self, *names: str) -> str:
        """A path or address in the registry."""
        return join(self.root, *names)

    def _published(self, change: Change) -> str:
        return self.path(PUBLISHED, f"{change.number:06d}.json")

    def _ended(self, change: Change) -> str:
        return self.path(ENDED, f"{change.number:06d}.json")

    def _last(self) -> int:
        numbers = [name.removesuffix(".json") for name in list_tree(self.path(HISTORY)) if name.endswith(".json")]
        return max((int(number) for number in numbers if number.isdecimal()), default=0)
