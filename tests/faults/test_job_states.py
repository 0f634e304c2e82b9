"""Whatever happens to a job, in whatever order: its end is final, it has one live run at most, and it ends with a reason."""

from __future__ import annotations

import shutil
import tempfile
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from contracts.callback import Outcome
from contracts.events import UNHEARD
from services.api import job_states, jobs
from support.job_world import World
from tabular.profile import profile_table

pytestmark = pytest.mark.slow
ANY = st.integers(0, 10**6)  # chooses among what there is at that moment


class JobStates(RuleBasedStateMachine):
    """Deliveries in any order, again, or begun by workers that die; launches, runs and ends of every kind."""

    template: Path
    detected: dict[str, object]
    made = Bundle("jobs")

    @initialize()
    def begin(self):
        self.folder = tempfile.TemporaryDirectory()
        database = Path(self.folder.name) / "world.db"
        shutil.copy(self.template, database)
        self.world = World(database, self.detected)
        self.ids: list[str] = []
        self.ends: dict[tuple[str, int], str] = {}
        self.unheard: dict[tuple[str, int], bool] = {}

    # --- people

    @rule(target=made)
    def create_and_start(self):
        job_id = self.world.create()
        self.ids.append(job_id)
        self.world.ask(jobs.start, job_id)
        return job_id

    @rule(job=made, verb=st.sampled_from([jobs.start, jobs.cancel, jobs.retry]))
    def ask(self, job, verb):
        self.world.ask(verb, job)

    @rule()
    def data_is_staged(self):
        self.world.stage()

    # --- the queue

    @precondition(lambda self: self.world.pending())
    @rule(which=ANY)
    def deliver(self, which):
        self.world.deliver(_of(self.world.pending(), which))

    @precondition(lambda self: self.world.handled())
    @rule(which=ANY)
    def deliver_again(self, which):
        self.world.deliver(_of(self.world.handled(), which))

    @precondition(lambda self: self.world.pending())
    @rule(which=ANY)
    def a_worker_dies_over_a_delivery(self, which):
        self.world.die_over(_of(self.world.pending(), which))

    # --- launchers

    @rule(launcher=st.sampled_from([0, 1]))
    def reconcile(self, launcher):
        self.world.round(launcher)

    @rule()
    def time_passes(self):
        self.world.pass_time()

    @rule(trouble=st.sampled_from(["refused", "no capacity", "answer lost", "launcher died"]))
    def the_next_launch_fails(self, trouble):
        self.world.provider.troubles.append(trouble)

    @rule(is_away=st.booleans())
    def the_provider_is_away(self, is_away):
        self.world.provider.is_away = is_away

    # --- trainers

    @precondition(lambda self: self.world.provider.live())
    @rule(which=ANY)
    def a_trainer_reports(self, which):
        self.world.report(_of(self.world.provider.live(), which))

    @precondition(lambda self: self.world.provider.live())
    @rule(which=ANY, outcome=st.sampled_from([Outcome.SUCCEEDED, Outcome.FAILED]))
    def a_trainer_tells_its_end(self, which, outcome):
        self.world.report(_of(self.world.provider.live(), which), outcome)

    @precondition(lambda self: self.world.provider.live())
    @rule(which=ANY, code=st.sampled_from([0, 1, 3, 137, 143]))
    def a_trainer_exits(self, which, code):
        self.world.exit(_of(self.world.provider.live(), which), code)

    @precondition(lambda self: self.world.provider.live())
    @rule(which=ANY)
    def a_machine_vanishes(self, which):
        self.world.forget(_of(self.world.provider.live(), which))

    @precondition(lambda self: self.world.provider.live())
    @rule(which=ANY)
    def a_run_takes_too_long(self, which):
        self.world.overrun(_of(self.world.provider.live(), which))

    # --- what always holds

    @invariant()
    def at_most_one_live_run(self):
        live = Counter(handle.partition("/")[0] for handle in self.world.provider.live())
        assert all(count == 1 for count in live.values()), live

    @invariant()
    def an_end_is_final_and_has_a_reason(self):
        for job_id in self.ids:
            job = self.world.job(job_id)
            seen = self.ends.get((job_id, job.attempt))
            if seen == "failed" and job.state == "succeeded":
                # Its trainer was heard late; no other end is overruled
                assert self.unheard[job_id, job.attempt]
            elif seen:
                assert job.state == seen, f"{seen} became {job.state}"
            elif job.state in job_states.FINAL:
                self.ends[job_id, job.attempt] = job.state
                self.unheard[job_id, job.attempt] = job.reason == UNHEARD
            if job.state in job_states.FINAL and job.state != "succeeded":
                assert job.reason, job.state

    def teardown(self):
        try:
            with self.world.settled():
                self.an_end_is_final_and_has_a_reason()
                for job_id in self.ids:
                    job = self.world.job(job_id)
                    assert job.state in job_states.FINAL, f"still {job.state}"
                    if (job_id, job.attempt) in self.world.told_success and job.state == "succeeded":
                        assert (job.reason, job.metrics) == (None, {"accuracy": 0.5})
                assert self.world.provider.live() == []
        finally:
            self.world.close()
            self.folder.cleanup()


def _of(things, which):
    return things[which % len(things)]


def test_every_history_of_jobs(scale, request, tmp_path):
    (tmp_path / "table.csv").write_text("a,b\n" + "".join(f"{row},{row % 2}\n" for row in range(40)))
    JobStates.template = request.getfixturevalue("_sqlite_template")
    JobStates.detected = profile_table(tmp_path / "table.csv", files=[]).model_dump(mode="json")
    run_state_machine_as_test(
        JobStates,
        settings=settings(
            max_examples=scale.examples,
            stateful_step_count=40,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
