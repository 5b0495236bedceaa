import gc
import threading
import time

import pytest

from yt8m.loader.prefetch import Prefetch


def loader_threads():
    return [thread for thread in threading.enumerate() if thread.name.startswith("yt8m-loader")]


def slow_square(number, given_up):
    given_up.wait(0.001 * (number % 3))
    return number**2


def test_items_come_in_order_and_the_threads_end():
    with Prefetch(slow_square, 2, 40, ahead=5, threads=3) as items:
        assert list(items) == [number**2 for number in range(2, 40)]
        assert loader_threads() == []
        assert next(items, None) is None


@pytest.mark.parametrize(("start", "stop"), [(3, 3), (5, 2)])
def test_nothing_to_make(start, stop):
    assert list(Prefetch(slow_square, start, stop, ahead=2, threads=1)) == []


def test_an_error_arrives_unchanged_at_its_place():
    error = ValueError("the third")

    def make(number, given_up):
        if number == 3:
            raise error
        return number

    items = Prefetch(make, 0, None, ahead=4, threads=2)
    assert [next(items), next(items), next(items)] == [0, 1, 2]
    with pytest.raises(ValueError) as raised:
        next(items)
    assert raised.value is error
    assert next(items, None) is None
    assert loader_threads() == []


def test_a_consumer_that_leaves_early_stops_the_work():
    made = []

    def make(number, given_up):
        made.append(number)
        given_up.wait(30 if number > 4 else 0)
        return number

    started = time.monotonic()
    for number in Prefetch(make, 0, None, ahead=4, threads=2):
        if number == 2:
            break
    del number
    gc.collect()
    assert loader_threads() == []
    assert time.monotonic() - started < 10
    assert max(made) <= 7


def test_waiting_is_measured():
    def make(number, given_up):
        time.sleep(0.05)
        return number

    with Prefetch(make, 0, 4, ahead=1, threads=1) as items:
        list(items)
        assert items.waited_seconds >= 0.15
    with Prefetch(lambda number, given_up: number, 0, 4, ahead=4, threads=1) as items:
        for _ in items:
            time.sleep(0.1)
        assert items.waited_seconds < 0.2
