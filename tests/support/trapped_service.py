"""`python trapped_service.py MODULE [ARGUMENT...]`: a service as `python -m MODULE` runs it, with short waits and traps.

A trap is a file in TEST_TRAPS named after what a delivery is about and its queue, `<id>.<queue>`. Where it says `crash`,
the process dies as the handler begins; where it says `hold`, the handler waits until the file is gone.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from runtime.bus import Consumer
from runtime.relay import Relay

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from runtime.bus import Work

TRAPS, LEASE, AGAIN = "TEST_TRAPS", "TEST_LEASE_SECONDS", "TEST_AGAIN_SECONDS"


def main() -> None:
    """Run the service."""
    module = sys.argv.pop(1)
    _shorten(Consumer, lease_seconds=float(os.environ[LEASE]))
    _shorten(Relay, again_seconds=float(os.environ[AGAIN]))
    _set_traps(Path(os.environ[TRAPS]))
    if importlib.util.find_spec(module).submodule_search_locations:
        module += ".__main__"
    importlib.import_module(module).main()


def _shorten(made: type, **waits: float) -> None:
    made.__init__.__kwdefaults__.update(waits)


def _set_traps(folder: Path) -> None:
    construct = Consumer.__init__

    def trapped(
        self: Consumer, db: Any, outbox: Any, queue: str, handlers: Mapping[str, Any], **settings: Any
    ) -> None:
        wrapped = {name: _trap(folder, queue, handler) for name, handler in handlers.items()}
        construct(self, db, outbox, queue, wrapped, **settings)

    Consumer.__init__ = trapped


def _trap(folder: Path, queue: str, handler: Callable[[Any, Work], None]) -> Callable[[Any, Work], None]:
    def handle(event: Any, work: Work) -> None:
        subject = getattr(event, "job_id", None) or getattr(event, "dataset_id", None)
        trap = folder / f"{subject}.{queue}"
        kind = trap.read_text() if trap.exists() else ""
        if kind:
            with trap.with_suffix(f"{trap.suffix}.sprung").open("a") as sprung:
                sprung.write(f"{os.getpid()}\n")
        if kind == "crash":
            os.kill(os.getpid(), signal.SIGKILL)
        while kind == "hold" and trap.exists():
            time.sleep(0.05)
        handler(event, work)

    return handle


if __name__ == "__main__":
    main()
