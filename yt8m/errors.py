"""The errors that a user can mend; everything else is a defect and keeps its traceback."""


def one_line(error: object) -> str:
    """A message without its line breaks; within a line nothing is changed, for a path or a value may hold anything."""
    return " ".join(line for line in map(str.strip, str(error).splitlines()) if line)


class InputError(Exception):
    """Wrong input. The message is one line: what is wrong, where, and the remedy. Exit code 2."""


class WriteConflict(InputError):
    """Somebody else wrote a file or an object first: it is there, or is not the expected one any more."""


FETCH = "fetch the shard again"
LEAVE_OUT = f"{FETCH}, or leave bad records out of the index (`yt8m index` and `pipeline.py run`: --skip-bad-records)"
"""What to do about a bad record. Indexing with the option reads every record whole, so that no later step meets one."""


class RecordError(InputError):
    """A bad record of a shard, named by file, record number (from 0) and byte offset."""

    def __init__(self, path: str, record: int, offset: int, problem: str, remedy: str | None = None):
        self.path, self.record, self.offset, self.problem = path, record, offset, problem
        self._arguments = (path, record, offset, problem, remedy)
        remedy = remedy or LEAVE_OUT
        super().__init__(f"{path}: record {record} at byte {offset}: {problem}; {remedy}")

    def __reduce__(self) -> tuple[type["RecordError"], tuple[object, ...]]:
        """Crosses from a worker process whole."""
        return RecordError, self._arguments


class Interrupted(Exception):
    """Asked to stop before the work was done, and stopped in good order; the same command continues. Exit code 75."""
