"""The quick run of the benchmark of scale: every job that the api has taken is launched once and ends."""

from __future__ import annotations

import json

import pytest

from benchmarks.scale.__main__ import main
from support.postgres import postgres_bin


@pytest.mark.long
@pytest.mark.skipif(postgres_bin() is None, reason="no PostgreSQL on this machine")
def test_no_job_is_lost_or_launched_twice_by_two_of_each_service(tmp_path):
    written = tmp_path / "figures.jsonl"
    quick = "--jobs 200 --trainers 50 --seconds 5 --callback-seconds 1 --workers 2 --minutes 5"
    assert main([*quick.split(), "--json", str(written)]) == 0
    figures = json.loads(written.read_text())
    assert (figures["created"], figures["ended"], figures["refused"]) == (200, 200, 0)
    assert (figures["lost"], figures["duplicated"], figures["waiting"]) == (0, 0, 0)
