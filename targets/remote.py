"""What submitting and scheduling need of a place where pipelines run, whichever it is."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

import tenacity

from yt8m.errors import InputError, one_line
from yt8m.progress import log

GIVE_UP_SECONDS = 300.0
FIRST_WAIT_SECONDS = 1.0
LONGEST_WAIT_SECONDS = 30.0
WORST_FIRST = ("failed", "running", "pending")
ENDED_WELL = ("succeeded", "skipped", "not_triggered")

Value = TypeVar("Value")


class RunFailed(Exception):
    """A run on a cluster ended badly; the message is one line with its address."""


@dataclass(frozen=True)
class Job:
    """A pipeline ready to be sent.

    Attributes:
        name: of the run, or of the schedule.
        package: the compiled file.
        parameters: checked values; those that are not named keep the defaults of the file.
        settings: fingerprint of everything that decides what the job does.
        service_account: whose rights the steps have; empty for the place's default.
    """

    name: str
    package: Path
    parameters: dict[str, Any]
    settings: str
    service_account: str = ""


@dataclass(frozen=True)
class Run:
    """A run that was sent: its identifier at the service, its name, and its page."""

    id: str
    name: str
    address: str


@dataclass(frozen=True)
class Progress:
    """Where a run stands.

    Attributes:
        state: waiting, running, succeeded, failed or cancelled.
        steps: state by name of the step, in the words of the service in lower case.
        reason: what the service says about a failure.
    """

    state: str
    steps: dict[str, str]
    reason: str = ""

    @property
    def ended(self) -> bool:
        """Whether nothing more will happen."""
        return self.state in {"succeeded", "failed", "cancelled"}


@dataclass(frozen=True)
class Schedule:
    """A schedule at a service.

    Attributes:
        id: its identifier there.
        name: the name that it was given.
        cron: the expression as the service has it.
        paused: whether it starts no runs.
        settings: fingerprint of the job that it starts; empty when it was made by other means.
    """

    id: str
    name: str
    cron: str
    paused: bool
    settings: str


def states_by_name(steps: Iterable[tuple[str, str]]) -> dict[str, str]:
    """State by name of the step; of steps of one name (a loop's) the worst: failed before running before others."""
    found: dict[str, str] = {}
    for name, state in steps:
        if name not in found or _badness(state) > _badness(found[name]):
            found[name] = state
    return found


def _badness(state: str) -> int:
    if state in WORST_FIRST:
        return len(WORST_FIRST) - WORST_FIRST.index(state)
    return -1 if state in ENDED_WELL else 0


class Service(Protocol):
    """A place where pipelines run."""

    def submit(self, job: Job) -> Run:
        """Start a run; called again after a lost answer, it does not start a second one."""
        ...

    def progress(self, run: Run) -> Progress:
        """Where a run stands now."""
        ...

    def cron(self, expression: str, time_zone: str) -> str:
        """A five-field expression and its time zone in the service's own words."""
        ...

    def schedules(self, name: str | None = None) -> list[Schedule]:
        """The schedules there, of one name or all."""
        ...

    def create_schedule(self, job: Job, cron: str, *, paused: bool) -> Schedule:
        """Make a schedule; runs of it never overlap, and missed ones are not made up for."""
        ...

    def pause(self, schedule: Schedule) -> None:
        """Start no more runs."""
        ...

    def resume(self, schedule: Schedule) -> None:
        """Start runs again."""
        ...

    def delete(self, schedule: Schedule) -> None:
        """Remove it. Fine if it is gone already."""
        ...

    def takes_away_a_run(self, schedule: Schedule) -> bool:
        """Whether a run that it started goes on, and would end without a word if the schedule were deleted."""
        ...


class StillFailing(Exception):
    """A service failed for so long that it is not asked again."""


def persist(function: Callable[[], Value], is_passing: Callable[[Exception], bool], what: str) -> Value:
    """Call until it works, with waits that double, as long as what fails is a passing fault.

    Raises:
        StillFailing: passing faults until `GIVE_UP_SECONDS` were over.
        Exception: the first fault that is not a passing one.
    """

    def tell(state: tenacity.RetryCallState) -> None:
        assert state.outcome is not None
        log(f"{what}: {brief(state.outcome.exception(), 100)}; trying again in {state.upcoming_sleep:.0f} s")

    try:
        return tenacity.Retrying(
            retry=tenacity.retry_if_exception(lambda error: isinstance(error, Exception) and is_passing(error)),
            wait=tenacity.wait_random_exponential(FIRST_WAIT_SECONDS, LONGEST_WAIT_SECONDS),
            stop=tenacity.stop_before_delay(GIVE_UP_SECONDS), before_sleep=tell,
        )(function)  # fmt: skip
    except tenacity.RetryError as error:
        last = error.last_attempt.exception()
        raise StillFailing(f"still failing after {GIVE_UP_SECONDS:.0f} s ({brief(last)})") from last


def brief(error: object, length: int = 300) -> str:
    """An error as one line of limited length."""
    text = one_line(error) or type(error).__name__
    return text if len(text) <= length else text[: length - 3] + "..."


def one_schedule(service: Service, name: str) -> Schedule:
    """The schedule of a name: of several, where an old one waits for the end of its run, the newest.

    Raises:
        InputError: there is none.
    """
    found = service.schedules(name)
    if not found:
        names = ", ".join(sorted(schedule.name for schedule in service.schedules())) or "none at all"
        raise InputError(f"there is no schedule '{name}'; there are {names}")
    return found[0]
