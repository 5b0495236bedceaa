"""Cron expressions: one of five fields and a time zone, in the words of either target.

Vertex AI takes the zone with the expression. Kubeflow Pipelines takes six fields (seconds first) and no zone: all its
schedules follow the zone of the cluster (`CRON_SCHEDULE_TIMEZONE` of the scheduled-workflow controller, UTC unless
set). There an expression is shifted if the two zones always lie equally far apart; where daylight saving time comes
between them no expression says the same, and that is refused.
"""

import functools
import re
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, available_timezones

from cronsim import CronSim, CronSimError

from yt8m.errors import InputError

FIELDS = ("minute", "hour", "day of month", "month", "day of week")
PART = r"(?:(?:\*|\d+-\d+)(?:/\d+)?|\d+)"
PLAIN = re.compile(rf"{PART}(?:,{PART})*")  # neither names nor L, W and #, which one target or the other does not know
SEVENTH = re.compile(r"(?<!/)\b7")  # Sunday is 0
EXAMPLE = '"0 3 * * *" is three in the morning of every day'
WHOLE_DAY = 24 * 60
YEARS = 3


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
    for place, (field, name) in enumerate(zip(fields, FIELDS, strict=True)):
        alone = " ".join(["*"] * place + [field] + ["*"] * (4 - place))
        if not PLAIN.fullmatch(field) or (place == 4 and SEVENTH.search(field)) or _first(alone) is None:
            raise InputError(f'--cron "{expression}": {field!r} is no {name} (numbers within its bounds, *, A-B or '
                             f"*/N); {EXAMPLE}")  # fmt: skip
    if _first(expression) is None:
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


def _first(expression: str) -> datetime | None:
    """When an expression comes due next; None if it is none, or never does."""
    try:
        return next(CronSim(expression, datetime.now(UTC)), None)
    except CronSimError:
        return None


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
