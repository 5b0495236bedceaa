"""Cron expressions: one of five fields and a time zone, in the words of either target.

Vertex AI takes the zone with the expression. Kubeflow Pipelines takes six fields (seconds first) and no zone: all its
schedules follow the zone of the cluster (`CRON_SCHEDULE_TIMEZONE` of the scheduled-workflow controller, UTC unless
set). There an expression is shifted if the two zones always lie equally far apart; where daylight saving time comes
between them no expression says the same, and that is refused.
"""

import functools
import re
from calendar import monthrange
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, available_timezones

from yt8m.errors import InputError

FIELDS = (("minute", 0, 59), ("hour", 0, 23), ("day of month", 1, 31), ("month", 1, 12), ("day of week", 0, 6))
EXAMPLE = '"0 3 * * *" is three in the morning of every day'
WHOLE_DAY = 24 * 60
YEARS = 3
LEAP_YEAR = 2028


def check_cron(expression: str) -> list[str]:
    """The five fields of an expression.

    Raises:
        InputError: not five fields of numbers, `*`, lists, ranges and steps within their bounds; or days that no
            month of these has.
    """
    fields = expression.split()
    if len(fields) != len(FIELDS):
        raise InputError(f'--cron "{expression}": five fields are needed (minute hour day month weekday), not '
                         f"{len(fields)}; {EXAMPLE}")  # fmt: skip
    for field, (name, low, high) in zip(fields, FIELDS, strict=True):
        for part in field.split(","):
            if not _fits(part, low, high):
                raise InputError(f'--cron "{expression}": {part!r} is no {name} ({low} to {high}, *, A-B or */N); '
                                 f"{EXAMPLE}")  # fmt: skip
    days, months = (_numbers(fields[place], *FIELDS[place][1:]) for place in (2, 3))
    if fields[4] == "*" and min(days) > max(monthrange(LEAP_YEAR, month)[1] for month in months):
        raise InputError(f'--cron "{expression}": it never comes due, as no month {fields[3]} has a day {fields[2]}; '
                         f"{EXAMPLE}")  # fmt: skip
    return fields


def check_zone(name: str, option: str = "--time-zone") -> ZoneInfo:
    """A zone of the IANA database.

    Raises:
        InputError: there is none of that name.
    """
    if name not in _zones():
        raise InputError(f"{option} {name}: no such zone; give one of the IANA database, such as Europe/Zurich or UTC")
    return ZoneInfo(name)


def vertex_cron(expression: str, zone: str) -> str:
    """For Vertex AI: `TZ=Europe/Zurich 0 3 * * *`."""
    check_zone(zone)
    return f"TZ={zone} {' '.join(check_cron(expression))}"


def kubeflow_cron(expression: str, zone: str, cluster_zone: str) -> str:
    """For Kubeflow Pipelines: six fields in the zone of the cluster, `0 0 3 * * *`.

    Raises:
        InputError: a wrong expression or zone, or one that cannot be said in the cluster's zone.
    """
    fields = check_cron(expression)
    apart = _minutes_apart(check_zone(zone), check_zone(cluster_zone, "--cluster-time-zone"))
    if apart is None:
        raise InputError(
            f"--time-zone {zone}: the schedules of this cluster follow {cluster_zone}, and with daylight saving time "
            f"between them no expression says the same; give --time-zone {cluster_zone}, or set "
            f"CRON_SCHEDULE_TIMEZONE={zone} for the cluster's ml-pipeline-scheduledworkflow and give "
            f"--cluster-time-zone {zone}"
        )
    return " ".join(["0", *(_shifted(expression, fields, apart) if apart else fields)])


@functools.cache
def _zones() -> frozenset[str]:
    return frozenset(available_timezones())


def _fits(part: str, low: int, high: int) -> bool:
    found = re.fullmatch(r"(?:\*|(\d+)-(\d+))(?:/(\d+))?|(?:(\d+))", part)
    if not found:
        return False
    first, last, step, single = (None if text is None else int(text) for text in found.groups())
    bounds = [number for number in (first, last, single) if number is not None]
    return all(low <= number <= high for number in bounds) and bounds == sorted(bounds) and step != 0


def _numbers(field: str, low: int, high: int) -> set[int]:
    """The numbers that a checked field stands for."""
    found: set[int] = set()
    for part in field.split(","):
        span, _, step = part.partition("/")
        first, _, last = (f"{low}-{high}" if span == "*" else span).partition("-")
        found |= set(range(int(first), int(last or first) + 1, int(step or 1)))
    return found


def _minutes_apart(zone: ZoneInfo, cluster: ZoneInfo) -> int | None:
    """Minutes to add to a time in `zone` to get the cluster's; None if that changes within the next years."""
    if zone.key == cluster.key:
        return 0
    now = datetime.now(UTC)
    moments = [now + timedelta(days=day) for day in range(366 * YEARS)]
    offsets = {moment.astimezone(cluster).utcoffset() - moment.astimezone(zone).utcoffset()  # type: ignore[operator]
               for moment in moments}  # fmt: skip
    return int(offsets.pop().total_seconds() // 60) if len(offsets) == 1 else None


def _shifted(expression: str, fields: list[str], apart: int) -> list[str]:
    """The fields so many minutes later (or, below 0, earlier).

    Raises:
        InputError: minute or hour are no single numbers, or the day changes where days are named.
    """
    minute, hour, day, month, weekday = fields
    if not (minute.isdecimal() and hour.isdecimal()):
        raise InputError(f'--cron "{expression}": minute and hour must be single numbers where the cluster follows '
                         "another time zone; give the zone of the cluster with --time-zone")  # fmt: skip
    days, later = divmod(int(hour) * 60 + int(minute) + apart, WHOLE_DAY)
    if days and (day, month, weekday) != ("*", "*", "*"):
        raise InputError(f'--cron "{expression}": in the zone of the cluster that is another day than the named one; '
                         "give the zone of the cluster with --time-zone")  # fmt: skip
    return [str(later % 60), str(later // 60), day, month, weekday]
