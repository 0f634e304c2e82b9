"""Runs tasks side by side without making more of them than needed."""

from __future__ import annotations

from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

T = TypeVar("T")


def in_parallel(tasks: Iterable[Callable[[], T]], workers: int) -> list[T]:
    """The tasks' results in their order.

    At most twice as many tasks as workers are taken ahead, so a generator of large tasks costs little memory. The
    first error ends it: running tasks are waited for, the rest never start.
    """
    results: list[T] = []
    ahead: deque[Future[T]] = deque()
    with ThreadPoolExecutor(workers) as pool:
        try:
            for task in tasks:
                if len(ahead) >= 2 * workers:
                    results.append(ahead.popleft().result())
                ahead.append(pool.submit(task))
            results.extend(future.result() for future in ahead)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)  # leaving the block waits
            raise
    return results
