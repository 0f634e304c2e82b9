"""What runs have measured, as tables."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from prometheus_client.parser import text_string_to_metric_families

from benchmarks.scale.account import Account, Queue, percentiles

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from benchmarks.scale.jobs import Created
    from benchmarks.scale.services import Load

_HEADS = (
    "of each kind",
    "jobs",
    "created/s",
    "201 in ms, p50 / p99",
    "launches/s",
    "made → launched in s, first trainers",
    "all jobs",
    "events handled/s, at most",
    "sent an event",
    "callbacks/s",
    "in ms, p50 / p99",
    "not taken",
    "lost",
    "twice",
    "waiting",
    "under way",
    "load",
)
_WINDOW = 10  # seconds that a rate's peak is taken over
_FULL = 0.95  # of the most trainers, from which on it counts as all of them
_ROUND_LIMIT = 60.0  # seconds within which the launcher promises a look


@dataclass(frozen=True)
class Rounds:
    """Rounds of one of the launcher's loops: how many, their mean in seconds, and how many took longer than a minute."""

    number: int
    mean: float
    too_long: int


@dataclass(frozen=True)
class Result:
    """One run. Moments are Unix seconds; see account.py for what the lists of pairs hold."""

    load: Load
    workers: int
    began: float
    ended: float
    created: Sequence[Created]
    refused: Sequence[str]
    account: Account
    waits: Sequence[tuple[float, float]]
    queues: Mapping[str, Queue]
    containers: Sequence[Mapping[str, Any]]
    sent: Sequence[tuple[float, float, int]]
    processor: Mapping[str, float]
    rounds: Mapping[str, Rounds]
    published: float
    machine_load: float

    def figures(self) -> dict[str, Any]:
        """Give what the tables show."""
        ends = [job.at + job.seconds for job in self.created]
        first = self.waits[: self.load.trainers]
        handled = {name: len(queue.handled) for name, queue in self.queues.items()}
        deliveries = sum(handled.values()) + sum(queue.pending for queue in self.queues.values())
        full = self._while_full()
        calls = [call for call in self.sent if full and full[0] <= call[0] < full[1]]
        taken = [seconds for _, seconds, status in calls if 200 <= status < 300]
        return {
            "load": asdict(self.load),
            "workers": self.workers,
            "minutes": (self.ended - self.began) / 60,
            "created": len(self.created),
            "created_per_second": _rate(ends),
            "created_seconds": percentiles((job.seconds for job in self.created), 0.5, 0.99),
            "refused": len(self.refused),
            "launched": len(self.waits),
            "launched_per_second": _rate([at for at, _ in first]),
            "launched_after": percentiles((wait for _, wait in first), 0.5, 0.99),
            "all_launched_after": percentiles((wait for _, wait in self.waits), 0.5, 0.99),
            "handled": handled,
            "pending": {name: queue.pending for name, queue in self.queues.items()},
            "handled_per_second_at_most": _peak(
                at for queue in self.queues.values() for at, _ in queue.handled
            ),
            "published_per_delivery": self.published / deliveries if deliveries else 0.0,
            "queue_age": {
                name: percentiles((age for _, age in queue.handled), 0.5, 0.99)
                for name, queue in self.queues.items()
            },
            "most_live": max((live for _, live in self._live()), default=0),
            "full_seconds": full[1] - full[0] if full else 0.0,
            "callbacks_per_second": len(taken) / (full[1] - full[0]) if full else 0.0,
            "callback_seconds": percentiles(taken, 0.5, 0.99),
            "callbacks_not_taken": len(calls) - len(taken),
            "callbacks": len(self.sent),
            "processor": dict(self.processor),
            "processor_ms": self._costs(handled),
            "rounds": {loop: asdict(rounds) for loop, rounds in self.rounds.items()},
            "lost": len(self.account.lost),
            "duplicated": len(self.account.duplicated),
            "asked_again": self.account.asked_again,
            "waiting": self.account.waiting,
            "under_way": self.account.under_way,
            "ended": self.account.ended,
            "machine_load": self.machine_load,
        }

    def _costs(self, handled: Mapping[str, int]) -> dict[str, float]:
        """Give processor time in ms by what it was spent on."""
        launched, callbacks = len(self.waits), len(self.sent)
        units = {
            "api, a job created": ("api", len(self.created)),
            "relay, a message": ("relay", self.published),
            "api-worker, an event": ("api-worker", handled.get("api", 0)),
            "metrics-worker, an event": ("metrics-worker", handled.get("metrics", 0)),
            "launcher, a job launched": ("launcher", launched),
            "metrics, a callback": ("metrics", callbacks),
            "simulator, a callback": ("simulator", callbacks),
            "postgresql, a job launched": ("postgresql", launched),
            "redis, a message": ("redis", self.published),
        }
        return {
            name: 1000 * self.processor.get(kind, 0.0) / number
            for name, (kind, number) in units.items()
            if number
        }

    def _live(self) -> Iterator[tuple[float, int]]:
        """Give how many trainers lived from each moment on at which that changed."""
        changes = [(each["asked_at"], 1) for each in self.containers]
        changes += [(each["ended_at"], -1) for each in self.containers if each["ended_at"] is not None]
        live = 0
        for at, change in sorted(changes):
            live += change
            yield at, live

    def _while_full(self) -> tuple[float, float] | None:
        """Give from when to when (nearly) as many trained as may; None where they never did."""
        moments = [at for at, live in self._live() if live >= _FULL * self.load.trainers]
        return (moments[0], moments[-1]) if len(moments) > 1 else None


def _rate(moments: Iterable[float]) -> float:
    """Give how many came a second between the first and the last."""
    ordered = sorted(moments)
    return (len(ordered) - 1) / (ordered[-1] - ordered[0]) if len(ordered) > 1 else 0.0


def _peak(moments: Iterable[float]) -> float:
    counts = Counter(int(at / _WINDOW) for at in moments)
    return max(counts.values(), default=0) / _WINDOW


def rounds(scrapes: Iterable[str]) -> dict[str, Rounds]:
    """Read the rounds of every loop from what the launchers serve at /metrics."""
    sums: Counter[tuple[str, str]] = Counter()
    for name, labels, value in _samples(scrapes):
        if name == "triptych_round_seconds_bucket" and labels["le"] == str(_ROUND_LIMIT):
            sums["in_time", labels["loop"]] += value
        elif name.startswith("triptych_round_seconds_"):
            sums[name.rpartition("_")[2], labels["loop"]] += value
    return {
        loop: Rounds(int(number), sums["sum", loop] / number, int(number - sums["in_time", loop]))
        for (what, loop), number in sums.items()
        if what == "count" and number
    }


def total(scrapes: Iterable[str], counter: str) -> float:
    """Add up a counter over all its labels and all processes."""
    return sum(value for name, _, value in _samples(scrapes) if name == counter)


def _samples(scrapes: Iterable[str]) -> Iterator[tuple[str, dict[str, str], float]]:
    for text in scrapes:
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                yield sample.name, sample.labels, sample.value


def tables(results: Sequence[Result]) -> str:
    """Write the tables, with a row or a column for each run."""
    figures = [result.figures() for result in results]
    lines = [f"| {' | '.join(_HEADS)} |", "|---:|" + "---:|" * (len(_HEADS) - 1)]
    lines += [_row(each) for each in figures]
    kinds = sorted({kind for each in figures for kind in each["processor"]})
    queues = sorted({queue for each in figures for queue in each["queue_age"]})
    loops = sorted({loop for each in figures for loop in each["rounds"]})
    heads = "".join(f" {each['workers']} |" for each in figures)
    lines += ["", f"| age of handled events in s, p50 / p99 |{heads}", "|---|" + "---:|" * len(figures)]
    for queue in queues:
        cells = (_pair(each["queue_age"].get(queue, [0, 0])) for each in figures)
        lines.append(f"| `{queue}` | {' | '.join(cells)} |")
    lines += ["", f"| processors used, mean |{heads}", "|---|" + "---:|" * len(figures)]
    for kind in kinds:
        cells = (f"{each['processor'].get(kind, 0) / each['minutes'] / 60:.2f}" for each in figures)
        lines.append(f"| {kind} | {' | '.join(cells)} |")
    lines += [
        "",
        f"| launcher's rounds: number, mean s, over a minute |{heads}",
        "|---|" + "---:|" * len(figures),
    ]
    for loop in loops:
        cells = (
            "{number}, {mean:.2f}, {too_long}".format(**each["rounds"][loop])
            if loop in each["rounds"]
            else ""
            for each in figures
        )
        lines.append(f"| {loop} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _row(each: Mapping[str, Any]) -> str:
    cells = (
        each["workers"],
        each["created"],
        f"{each['created_per_second']:.1f}",
        _pair(each["created_seconds"], 1000, 0),
        f"{each['launched_per_second']:.1f}",
        _pair(each["launched_after"]),
        _pair(each["all_launched_after"]),
        f"{each['handled_per_second_at_most']:.0f}",
        f"{each['published_per_delivery']:.2f}",
        f"{each['callbacks_per_second']:.0f}",
        _pair(each["callback_seconds"], 1000, 0),
        each["callbacks_not_taken"],
        each["lost"],
        each["duplicated"],
        each["waiting"],
        each["under_way"],
        f"{each['machine_load']:.1f}",
    )
    return f"| {' | '.join(map(str, cells))} |"


def _pair(values: Sequence[float], times: float = 1.0, digits: int = 1) -> str:
    return " / ".join(f"{value * times:.{digits}f}" for value in values)
