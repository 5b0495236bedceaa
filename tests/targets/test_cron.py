"""Cron expressions in the words of either target."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from targets.cron import kubeflow_cron, vertex_cron
from yt8m.errors import InputError


def test_each_target_has_its_own_words() -> None:
    assert vertex_cron("0 3 * * *", "Europe/Zurich") == "TZ=Europe/Zurich 0 3 * * *"
    assert kubeflow_cron("0 3 * * *", "Europe/Zurich", "Europe/Zurich") == "0 0 3 * * *"
    assert kubeflow_cron("*/15 3-5 1,15 * 1-5", "UTC", "UTC") == "0 */15 3-5 1,15 * 1-5"


@given(
    st.integers(0, 23), st.integers(0, 59), st.sampled_from(["Asia/Tokyo", "Asia/Kolkata", "America/Phoenix", "UTC"])
)
def test_a_shifted_expression_names_the_same_moment(hour: int, minute: int, zone: str) -> None:
    fields = kubeflow_cron(f"{minute} {hour} * * *", zone, "UTC").split()
    assert fields[0] == "0"
    there = datetime(2026, 7, 1, hour, minute, tzinfo=ZoneInfo(zone)).astimezone(UTC)
    assert (there.minute, there.hour) == (int(fields[1]), int(fields[2]))


def test_daylight_saving_time_between_the_zones_is_refused_with_the_remedies() -> None:
    with pytest.raises(InputError, match=r"CRON_SCHEDULE_TIMEZONE=Europe/Zurich.*--cluster-time-zone Europe/Zurich"):
        kubeflow_cron("0 3 * * *", "Europe/Zurich", "UTC")
    assert kubeflow_cron("0 3 * * *", "Europe/Zurich", "Europe/Paris") == "0 0 3 * * *"


@pytest.mark.parametrize(("expression", "says"), [
    ("0 20 * * 1", "another day than the named one"), ("0 20 1 * *", "another day"), ("*/5 3 * * *", "single numbers"),
])  # fmt: skip
def test_what_cannot_be_shifted_is_refused(expression: str, says: str) -> None:
    with pytest.raises(InputError, match=says):
        kubeflow_cron(expression, "America/Phoenix", "UTC")
    assert kubeflow_cron("0 3 * * 1", "America/Phoenix", "UTC") == "0 0 10 * * 1"


@pytest.mark.parametrize("expression", [
    "", "0 3 * *", "0 0 3 * * *", "60 3 * * *", "0 24 * * *", "0 3 0 * *", "0 3 * 13 *", "0 3 * * 7", "0 3 * * mon",
    "a 3 * * *", "5-1 3 * * *", "*/0 3 * * *", "@daily", "TZ=UTC 0 3 * * *", "5/10 3 * * *",
])  # fmt: skip
def test_a_wrong_expression_is_one_line(expression: str) -> None:
    with pytest.raises(InputError, match="--cron") as error:
        vertex_cron(expression, "UTC")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("expression", ["0 3 30 2 *", "0 3 31 4,6,9 *", "0 0 30-31 2 *", "5 4 31 4-6/2 *"])
def test_what_never_comes_due_is_refused(expression: str) -> None:
    for words in (lambda: vertex_cron(expression, "UTC"), lambda: kubeflow_cron(expression, "UTC", "UTC")):
        with pytest.raises(InputError, match="it never comes due, as no month"):
            words()


@pytest.mark.parametrize("expression", ["0 3 29 2 *", "0 3 30 2 1", "0 3 31 1-12/2 *", "0 3 28,30 2 *", "0 3 * 2 *"])
def test_what_comes_due_seldom_is_taken(expression: str) -> None:
    assert vertex_cron(expression, "UTC") == f"TZ=UTC {expression}"


def test_a_wrong_zone_is_one_line() -> None:
    with pytest.raises(InputError, match="--time-zone Europe/Bern: no such zone"):
        vertex_cron("0 3 * * *", "Europe/Bern")
    with pytest.raises(InputError, match="--cluster-time-zone CET2: no such zone"):
        kubeflow_cron("0 3 * * *", "UTC", "CET2")


def test_the_shift_holds_on_every_day_of_the_next_years() -> None:
    fields = kubeflow_cron("30 8 * * *", "Asia/Kolkata", "UTC").split()
    for day in range(0, 700, 7):
        moment = (datetime(2026, 1, 1, 8, 30, tzinfo=ZoneInfo("Asia/Kolkata")) + timedelta(days=day)).astimezone(UTC)
        assert fields[1:3] == [str(moment.minute), str(moment.hour)]
