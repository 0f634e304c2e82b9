"""The folder of one local platform (`var/` by default): where its parts keep things, its secrets and its lock."""

from __future__ import annotations

import fcntl
import json
import os
import secrets
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cli.errors import CommandFailed

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class AlreadyRunning(CommandFailed):
    """Another process runs a platform on this data folder; `url` is where, as far as it has said."""

    def __init__(self, root: Path, pid: int | None, url: str) -> None:
        who = f"process {pid}" if pid else "another process"
        where = f" at {url}" if url else ""
        super().__init__(f"Triptych already runs on {root} ({who}){where}.")
        self.url = url


@dataclass(frozen=True)
class Secrets:
    """Made once for each data folder."""

    callback_root_secret: str
    redis_password: str
    first_key: str  # of the first workspace, with every scope


class DataDir:
    """Paths inside a data folder. Constructing one creates the folder, readable by its owner only."""

    def __init__(self, root: Path) -> None:
        self.root = root.expanduser().absolute()
        self.logs = self.root / "logs"
        self.redis = self.root / "redis"
        self.spool = self.root / "spool"
        self.objects = self.root / "objects"
        self.runs = self.root / "runs"
        self.database = self.root / "triptych.db"
        self.models = self.root / "models.json"
        self.metrics_targets = self.root / "metrics-targets.json"
        self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
        for folder in (self.logs, self.redis, self.spool, self.objects, self.runs):
            folder.mkdir(exist_ok=True)

    def log(self, name: str) -> Path:
        """Give the log file of a service."""
        return self.logs / f"{name}.log"

    def secrets(self) -> Secrets:
        """Read the secrets, making them the first time."""
        path = self.root / "secrets.json"
        known = json.loads(path.read_text()) if path.exists() else {}
        made = {
            "callback_root_secret": secrets.token_hex(32),
            "redis_password": secrets.token_hex(32),
            "first_key": "trp_" + secrets.token_urlsafe(32),
        } | known  # one that an earlier release made lacks what came later
        if made != known:
            draft = path.with_suffix(".new")
            draft.touch(mode=0o600)
            draft.write_text(json.dumps(made))
            draft.replace(path)
        return Secrets(**made)

    def write_first_key(self, key: str) -> Path:
        """Put the first key where a person finds it and the gateway reads it, for the owner's eyes only."""
        path = self.root / "first-key"
        path.touch(mode=0o600)
        path.write_text(key + "\n")
        return path

    @contextmanager
    def lock(self, url: str) -> Iterator[None]:
        """Hold the folder for this process, telling others where the platform answers.

        The lock is the kernel's, so it goes with the process however that ends.

        Args:
            url: Origin of the platform that is being started.

        Raises:
            AlreadyRunning: Another process holds it.
        """
        with (self.root / "triptych.lock").open("a+") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                file.seek(0)
                holder = json.loads(file.read() or "{}")
                raise AlreadyRunning(self.root, holder.get("pid"), holder.get("url", "")) from None
            file.truncate(0)
            file.write(json.dumps({"pid": os.getpid(), "url": url}))
            file.flush()
            try:
                yield
            finally:
                file.truncate(0)
