"""The thread pool of the Celery worker, at the moment of a stop."""

from __future__ import annotations

import threading

import pytest
from celery.exceptions import WorkerTerminate

from runtime.celery_worker import Threads


def test_a_message_on_its_way_to_a_stopped_pool_ends_the_worker_without_an_error():
    pool = Threads(1)
    began = threading.Event()
    pool.apply_async(began.set)
    assert began.wait(10)
    pool.stop()
    with pytest.raises(WorkerTerminate):
        pool.apply_async(began.set)
