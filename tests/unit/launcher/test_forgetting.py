"""What runs had to read is removed, if not at once, then later, and not for ever."""

from __future__ import annotations

import pytest

from runtime.errors import Transient
from services.launcher.backend import Refused
from services.launcher.forgetting import Forgetting


class Store:
    """A back end whose store is away, as far as a test says."""

    def __init__(self):
        self.error = None
        self.left = {("a", 1), ("b", 2)}
        self.calls = 0
        self.time = 0.0

    def forget(self, job_id, attempt):
        self.calls += 1
        if self.error:
            raise self.error
        self.left.discard((job_id, attempt))


@pytest.fixture
def store():
    return Store()


@pytest.fixture
def forgetting(store):
    return Forgetting(store, lambda: store.time)


def forget_both(forgetting):
    forgetting.forget("a", 1)
    forgetting.forget("b", 2)


def test_what_can_be_removed_is_removed_once(store, forgetting):
    forget_both(forgetting)
    forgetting.again()
    assert (store.left, store.calls) == (set(), 2)


@pytest.mark.parametrize("error", [Transient("away"), Refused("403")])
def test_what_cannot_is_tried_again_at_the_cost_of_one_call_a_round(store, forgetting, error):
    store.error = error
    forget_both(forgetting)
    for _ in range(3):
        forgetting.again()
    assert store.calls == 2 + 3
    store.error = None
    forgetting.again()
    assert store.left == set()
    calls = store.calls
    forgetting.again()
    assert store.calls == calls


def test_it_is_given_up_after_an_hour(store, forgetting):
    store.error = Refused("403")
    forget_both(forgetting)
    store.time = 3601.0
    forgetting.again()
    store.error = None
    forgetting.again()
    assert store.calls == 2 + 2
    assert store.left == {("a", 1), ("b", 2)}
