"""A private PostgreSQL cluster for the test run."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from pathlib import Path

import psycopg

from support.ports import free_port


def postgres_bin() -> Path | None:
    """Find the folder of initdb and pg_ctl: PATH, else where Debian puts them."""
    found = shutil.which("initdb")
    folders = [Path(found).resolve().parent] if found else sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    usable = [folder for folder in folders if (folder / "initdb").exists() and (folder / "pg_ctl").exists()]
    if usable and os.getuid() == 0:  # PostgreSQL refuses to run as root
        try:
            pwd.getpwnam("postgres")
        except KeyError:
            return None
    return usable[-1] if usable else None


def _memory() -> Path | None:
    """Give a file system in memory where there is one with room: hundreds of databases are made of 300 files each."""
    folder = Path("/dev/shm")
    if not os.access(folder, os.W_OK) or shutil.disk_usage(folder).free < 1 << 30:
        return None
    return folder


class PostgresServer:
    """A cluster in a temporary folder, without fsync; each test gets a database of its own."""

    def __init__(self) -> None:
        self._bin = postgres_bin()
        self._folder = Path(tempfile.mkdtemp(prefix="triptych-pg-", dir=_memory()))
        self._port = free_port()
        self._count = 0

    def start(self) -> None:
        if os.getuid() == 0:
            shutil.chown(self._folder, "postgres")
        self._run("initdb", "-D", f"{self._folder}/data", "-U", "triptych", "-A", "trust", "--no-sync")
        self._start()

    def restart(self, *, mode: str) -> None:
        """Stop it and start it again; immediate: as if it had crashed, fast: every connection is closed first."""
        self._run("pg_ctl", "-D", f"{self._folder}/data", "-w", "-m", mode, "stop")
        self._start()

    def _start(self) -> None:
        options = f"-p {self._port} -k {self._folder} -c listen_addresses=127.0.0.1 -c fsync=off -c max_connections=200"
        self._run(
            "pg_ctl", "-D", f"{self._folder}/data", "-w", "-l", f"{self._folder}/log", "-o", options, "start"
        )

    @property
    def pid(self) -> int:
        """Process id of its postmaster."""
        return int((self._folder / "data" / "postmaster.pid").read_text().split()[0])

    def stop(self) -> None:
        self._run("pg_ctl", "-D", f"{self._folder}/data", "-m", "immediate", "stop")
        shutil.rmtree(self._folder, ignore_errors=True)

    def create_database(self, template: str = "template1") -> str:
        """Create an empty database, or a copy of another by its URL or name."""
        self._count += 1
        name = f"test_{self._count}"
        server = f"postgresql://triptych@127.0.0.1:{self._port}"
        with psycopg.connect(f"{server}/postgres", autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name} TEMPLATE {template.rpartition('/')[2]}")
        return f"{server}/{name}"

    def dump(self, url: str, path: Path) -> None:
        """Write a database into a file, as docs/how-to/back-up-and-restore.md does."""
        subprocess.run(
            [f"{self._bin}/pg_dump", "--format=custom", "--no-owner", f"--file={path}", url], check=True
        )

    def restore(self, url: str, path: Path) -> None:
        """Read such a file into an empty database."""
        subprocess.run(
            [f"{self._bin}/pg_restore", "--no-owner", "--exit-on-error", f"--dbname={url}", path], check=True
        )

    def drop_database(self, url: str) -> None:
        """Drop a database, and whatever is still connected to it."""
        with psycopg.connect(
            f"postgresql://triptych@127.0.0.1:{self._port}/postgres", autocommit=True
        ) as connection:
            connection.execute(f"DROP DATABASE IF EXISTS {url.rpartition('/')[2]} WITH (FORCE)")

    def _run(self, program: str, *arguments: str) -> None:
        user = "postgres" if os.getuid() == 0 else None
        subprocess.run(
            [f"{self._bin}/{program}", *arguments],
            check=True,
            user=user,
            cwd=self._folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
