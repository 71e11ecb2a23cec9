"""One line per check, and the sum at the end."""

import asyncio
from contextlib import contextmanager


class Checks:
    def __init__(self):
        self.passed = 0
        self.failed = 0

    @contextmanager
    def check(self, name):
        """The body is one check: it passes unless it raises."""
        try:
            yield
        except Exception as problem:  # whatever it is, the other checks still run
            self.failed += 1
            print(f"FAIL  {name}: {type(problem).__name__} {problem}", flush=True)
        else:
            self.passed += 1
            print(f"ok    {name}", flush=True)

    def summary(self):
        return f"{self.passed} passed, {self.failed} failed"


def equal(seen, wanted):
    if seen != wanted:
        raise AssertionError(f"{seen!r} where {wanted!r} was wanted")


async def soon(awaitable, seconds=10):
    """The result, if it comes in time."""
    try:
        return await asyncio.wait_for(awaitable, seconds)
    except TimeoutError:
        raise AssertionError(f"nothing came within {seconds} s") from None


async def raises(exception, awaitable):
    """The exception that `awaitable` ends with, which must be of this class."""
    try:
        result = await awaitable
    except exception as raised:
        return raised
    raise AssertionError(f"{result!r} where {exception.__name__} was wanted")
