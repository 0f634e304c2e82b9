"""The metrics of one process, for Prometheus: its instruments, figures that are read at a scrape, and the text of /metrics."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, values
from prometheus_client.exposition import generate_latest
from prometheus_client.metrics_core import GaugeMetricFamily
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead
from prometheus_client.registry import Collector

if TYPE_CHECKING:
    from collections.abc import Sequence

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
# The variable is prometheus_client's own: where processes that serve one port keep their figures together
SHARED_DIR: Final = "PROMETHEUS_MULTIPROC_DIR"
QUICK: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
LONG: Final = (0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0, 1800.0)
ByLabels = dict[tuple[str, ...], float]
Figures = Mapping[str, ByLabels]
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Described:
    """What documentation says of one metric.

    Attributes:
        name: As it is scraped; a histogram's has `_bucket`, `_sum` and `_count` behind it.
        kind: counter, gauge or histogram.
        labels: Names of its labels.
        text: What it tells.
    """

    name: str
    kind: str
    labels: tuple[str, ...]
    text: str


class Registry:
    """Makes the instruments of this process and gives their values as text.

    Where SHARED_DIR is set, several processes serve one port: instruments then keep their values in files of that
    folder, and whichever process is scraped adds all of them up.
    """

    def __init__(self, *, wait_seconds: float = 2.0, keep_seconds: float = 2.0) -> None:
        """Begin without instruments.

        Args:
            wait_seconds: The longest that a scrape waits for figures that are read.
            keep_seconds: Figures that are read serve further scrapes for so long.
        """
        self.described: list[Described] = []
        self._registry = CollectorRegistry()
        self._shared = os.environ.get(SHARED_DIR)
        self._readings = _Readings(wait_seconds, keep_seconds)
        if self._shared:
            # prometheus_client chooses when it is imported; we know how many processes there are only later
            values.ValueClass = values.MultiProcessValue()  # type: ignore[no-untyped-call] # partly typed, as below
        else:
            ProcessCollector(registry=self._registry)
        self._registry.register(self._readings)

    def counter(self, name: str, text: str, *labels: str) -> Counter:
        """Make a counter, whose name ends in `_total`."""
        self._describe(name, "counter", text, labels)
        return Counter(name, text, labels, registry=self._registry)

    def gauge(self, name: str, text: str, *labels: str) -> Gauge:
        """Make a gauge; of several processes the values of those alive are added up."""
        self._describe(name, "gauge", text, labels)
        return Gauge(name, text, labels, registry=self._registry, multiprocess_mode="livesum")

    def histogram(self, name: str, text: str, *labels: str, buckets: Sequence[float] = QUICK) -> Histogram:
        """Make a histogram of seconds, whose name ends in `_seconds`."""
        self._describe(name, "histogram", text, labels)
        return Histogram(name, text, labels, registry=self._registry, buckets=buckets)

    def read(self, source: str, gauges: Sequence[Described], read: Callable[[], Figures]) -> None:
        """Have gauges read at a scrape, in a thread that may take longer than the scrape waits.

        Args:
            source: What is read; the label of `triptych_source_up`, which is 0 while it cannot be read in time. Its
                gauges are then absent: an old figure would look like a present one.
            gauges: What `read` gives.
            read: Gives values by the gauge's name and its labels' values.
        """
        if not self._readings.sources:
            self._describe(UP.name, UP.kind, UP.text, UP.labels)
        for gauge in gauges:
            self._describe(gauge.name, gauge.kind, gauge.text, gauge.labels)
        self._readings.sources.append(_Source(source, gauges, read))

    def text(self) -> bytes:
        """Give everything in Prometheus' text format. It neither fails nor waits longer than for the figures read."""
        if not self._shared:
            return generate_latest(self._registry)
        together = CollectorRegistry()
        MultiProcessCollector(together, path=self._shared)  # type: ignore[no-untyped-call]
        return generate_latest(together)

    def _describe(self, name: str, kind: str, text: str, labels: tuple[str, ...]) -> None:
        self.described.append(Described(name, kind, labels, text))


def forget_process(pid: int) -> None:
    """Drop the gauges of a process that served together with others and has ended; its counters still count."""
    if folder := os.environ.get(SHARED_DIR):
        mark_process_dead(pid, folder)  # type: ignore[no-untyped-call]


def gauge(name: str, text: str, *labels: str) -> Described:
    """Describe a gauge that is read at a scrape."""
    return Described(name, "gauge", labels, text)


UP: Final = gauge(
    "triptych_source_up", "Whether what this process reads at a scrape could be read in time.", "source"
)


class _Source:
    """One thing that is read, by one thread at a time, however many scrapes want it."""

    def __init__(self, name: str, gauges: Sequence[Described], read: Callable[[], Figures]) -> None:
        self.name = name
        self.gauges = gauges
        self._read = read
        self._lock = threading.Lock()
        self._done = threading.Event()
        self._thread: threading.Thread | None = None
        self._figures: Figures | None = None
        self._read_at = 0.0

    def begin(self, keep_seconds: float) -> None:
        """Start to read, unless that is being done or was done just now."""
        with self._lock:
            if self._thread is not None and self._thread.is_alive():
                return
            if self._figures is not None and time.monotonic() - self._read_at < keep_seconds:
                return
            self._done.clear()
            # A daemon: one that waits for a dead database for ever must not keep the process
            self._thread = threading.Thread(target=self._run, name=f"read {self.name}", daemon=True)
            self._thread.start()

    def figures(self, deadline: float) -> Figures | None:
        """Give what was read, None where it could not be by then."""
        self._done.wait(max(0.0, deadline - time.monotonic()))
        return self._figures if self._done.is_set() else None

    def _run(self) -> None:
        try:
            self._figures = self._read()
            self._read_at = time.monotonic()
        except Exception as error:  # noqa: BLE001 - whatever it is, the scrape says that there are no figures
            if self._figures is not None:
                _log.warning("cannot be read for /metrics", extra={"source": self.name, "error": str(error)})
            self._figures = None
        finally:
            self._done.set()


class _Readings(Collector):
    """What prometheus_client asks at a scrape."""

    def __init__(self, wait_seconds: float, keep_seconds: float) -> None:
        self.sources: list[_Source] = []
        self._wait_seconds = wait_seconds
        self._keep_seconds = keep_seconds

    def collect(self) -> Iterator[Any]:
        for source in self.sources:
            source.begin(self._keep_seconds)
        deadline = time.monotonic() + self._wait_seconds
        up = GaugeMetricFamily(UP.name, UP.text, labels=UP.labels)
        for source in self.sources:
            figures = source.figures(deadline)
            up.add_metric((source.name,), float(figures is not None))
            for described in source.gauges if figures is not None else ():
                family = GaugeMetricFamily(described.name, described.text, labels=described.labels)
                for labels, value in (figures or {}).get(described.name, {}).items():
                    family.add_metric(labels, value)
                yield family
        if self.sources:
            yield up
