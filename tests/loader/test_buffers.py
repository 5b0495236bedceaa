import numpy as np

from yt8m.loader.buffers import BufferPool


def address(array):
    return array.__array_interface__["data"][0]


def test_memory_is_used_again_once_nobody_holds_it():
    pool = BufferPool((3, 4), np.uint8, keep=2)
    first = pool.take()
    where = address(first)
    second = pool.take()
    assert address(second) != where
    del first
    assert address(pool.take()) == where


def test_a_slice_or_a_memoryview_keeps_the_memory():
    pool = BufferPool((3, 4), np.uint8, keep=2)
    for hold in (lambda array: array[1:, :2], memoryview, lambda array: array.T.reshape(4, 3)[0]):
        array = pool.take()
        where, held = address(array), hold(array)
        del array
        assert address(pool.take()) != where
        del held


def test_more_than_it_keeps_is_made_on_demand():
    pool = BufferPool((2,), np.float32, keep=1)
    held = [pool.take() for _ in range(5)]
    assert len({address(array) for array in held}) == 5
    assert held[0].dtype == np.float32
