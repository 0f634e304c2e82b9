"""A viewer of what changes in a workspace."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import httpx

from contracts.changes import Change

if TYPE_CHECKING:
    from collections.abc import Mapping


class ChangesViewer:
    """Reads the stream in a thread, until it ends; `told` has what came, "look" or "kind id"."""

    def __init__(self, url: str, headers: Mapping[str, str] | None = None) -> None:
        self.told: list[str] = []
        self._closing = False
        self._thread = threading.Thread(target=self._run, args=(f"{url}/api/changes/", headers), daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Leave at the next line, a keep-alive at the latest."""
        self._closing = True
        self._thread.join(timeout=30)
        assert not self._thread.is_alive()

    def _run(self, address: str, headers: Mapping[str, str] | None) -> None:
        with httpx.stream("GET", address, headers=headers, timeout=30) as response:
            event = ""
            for line in response.iter_lines():
                if self._closing:
                    return
                name, _, value = line.partition(": ")
                if name == "event":
                    event = value
                elif name == "data":
                    change = Change.model_validate_json(value) if event == "change" else None
                    self.told.append(f"{change.kind} {change.id}" if change else event)
