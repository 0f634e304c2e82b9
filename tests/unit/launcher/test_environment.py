from __future__ import annotations

import pytest

from services.launcher.environment import Environments
from services.launcher.models import Run


@pytest.mark.parametrize(("ran", "left"), [(0.0, "3900"), (600.4, "3300"), (9999.0, "300")])
def test_a_trainer_is_told_how_long_its_job_may_still_run_with_room_for_the_launcher_to_come_first(ran, left):
    run = Run(job_id="j", attempt=2, spec={}, correlation={}, max_seconds=3600, ran_seconds=ran)
    env = Environments("http://platform:8080", "", "root", "json", "INFO").of(run)
    assert env["MAX_SECONDS"] == left
