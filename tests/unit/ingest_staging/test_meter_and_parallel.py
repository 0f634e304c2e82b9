from threading import Barrier, Lock

import pytest

from services.ingest.staging.meter import Meter
from services.ingest.staging.parallel import in_parallel


class TestMeter:
    def test_it_counts_what_was_there_and_what_was_sent(self):
        reports = []
        meter = Meter(100, lambda done, total: reports.append((done, total)))
        meter.add(40)
        upload = meter.upload(60, 60)
        upload(50)
        upload(-50)  # the part is sent again
        upload(60)
        assert reports == [(40, 100), (90, 100), (40, 100), (100, 100)]

    def test_a_shard_counts_for_the_files_it_carries(self):
        reports = []
        upload = Meter(1000, lambda done, _: reports.append(done)).upload(1000, 3000)
        for _ in range(30):
            upload(100)
        assert reports == sorted(reports)
        assert reports[14] == 500
        assert reports[-1] == 1000

    def test_an_empty_file_counts_for_nothing(self):
        reports = []
        Meter(0, lambda done, total: reports.append((done, total))).upload(0, 0)(0)
        assert reports == [(0, 0)]


class TestInParallel:
    def test_results_come_in_the_order_of_the_tasks(self):
        barrier = Barrier(3, timeout=10)  # passes only if three tasks run side by side
        tasks = [lambda number=number: (barrier.wait(), number)[1] for number in range(9)]
        assert in_parallel(tasks, 3) == list(range(9))

    def test_nothing_to_do(self):
        assert in_parallel([], 3) == []

    def test_few_tasks_are_taken_ahead(self):
        lock = Lock()
        taken = finished = most = 0

        def finish():
            nonlocal finished
            with lock:
                finished += 1

        def tasks():
            nonlocal taken, most
            for _ in range(100):
                taken += 1
                with lock:
                    most = max(most, taken - finished)
                yield finish

        in_parallel(tasks(), 2)
        assert finished == 100
        assert most <= 2 * 2 + 1

    def test_the_first_error_ends_it(self):
        started = []

        def task(number):
            started.append(number)
            if number == 3:
                raise OSError("broken")

        with pytest.raises(OSError, match="broken"):
            in_parallel([lambda number=number: task(number) for number in range(1000)], 2)
        assert len(started) < 20
