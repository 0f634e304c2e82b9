"""The whole platform as `triptych up` runs it, and small data to feed it."""

from __future__ import annotations

import io
import os
import random
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import httpx
from PIL import Image, ImageDraw

from support.ports import free_port
from support.wait import until

if TYPE_CHECKING:
    from pathlib import Path

FINAL = {"succeeded", "failed", "cancelled", "timed_out"}


class Api:
    """Whoever uses a platform by its API."""

    def __init__(self, url: str, key: str = "") -> None:
        self.url = url
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        self.client = httpx.Client(base_url=url, timeout=60, headers=headers)

    def get(self, path: str, **query: Any) -> Any:
        response = self.client.get(path, params=query)
        assert response.status_code == 200, response.text
        return response.json()

    def upload(
        self, table: bytes, images: dict[str, bytes] | None = None, name: str = "table.csv"
    ) -> dict[str, Any]:
        parts = [("file", (name, table)), *(("images", (path, raw)) for path, raw in (images or {}).items())]
        response = self.client.post("/api/datasets/upload_and_detect/", files=parts)
        assert response.status_code == 201, response.text
        return dict(response.json())

    def ready(self, dataset_id: str) -> dict[str, Any]:
        def settled() -> dict[str, Any] | None:
            dataset = self.get(f"/api/datasets/{dataset_id}/")
            return dataset if dataset["state"] in {"ready", "rejected"} else None

        return until(settled, "the data set to be ready", seconds=90)  # type: ignore[return-value]

    def train(self, **wish: Any) -> str:
        response = self.client.post("/api/training_jobs/", json={"start": True, **wish})
        assert response.status_code == 201, response.text
        return str(response.json()["id"])

    def ended(self, job_id: str, *, seconds: float = 180) -> dict[str, Any]:
        def settled() -> dict[str, Any] | None:
            job = self.get(f"/api/training_jobs/{job_id}/")
            return job if job["state"] in FINAL else None

        return until(settled, "the job to end", seconds=seconds)  # type: ignore[return-value]


class Platform(Api):
    """A running platform; its services are processes of their own."""

    def __init__(self, folder: Path, **env: str) -> None:
        self.folder = folder
        self.port = free_port()
        super().__init__(f"http://localhost:{self.port}")
        self.log = folder / "up.log"
        self._env = {**os.environ, "LOG_FORMAT": "json", **env}
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "cli.main",
                    "up",
                    "--port",
                    str(self.port),
                    "--data-dir",
                    str(self.folder / "var"),
                ],
                env=self._env,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        until(self._is_up, f"the platform to be up; see {self.log}", seconds=120)

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def stop(self) -> None:
        self.client.close()
        if self._process is not None:
            self._process.send_signal(signal.SIGTERM)
            self._process.wait(timeout=60)

    def kill(self) -> None:
        """End it as the loss of its machine would, without a word to its parts."""
        self.client.close()
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def _is_up(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, self.log.read_text()
        return "Triptych runs at" in self.log.read_text()


def shapes(rows: int = 120, seed: int = 0) -> tuple[bytes, dict[str, bytes]]:
    """Make a table of circles and squares, each with a picture, a sentence and a number that carry some signal.

    Returns:
        The CSV, and the pictures by their paths.
    """
    rng = random.Random(seed)
    lines, images = ["picture,note,corners,tint,shape"], {}
    for row in range(rows):
        shape = rng.choice(["circle", "square"])
        path = f"pictures/{row:04d}.png"
        images[path] = _draw(shape, rng)
        words = rng.sample(
            ["round", "soft", "rolling"] if shape == "circle" else ["edgy", "hard", "stacked"], 2
        )
        filler = rng.sample(["the", "thing", "looks", "rather", "today", "again", "here"], 4)
        corners = 0 if shape == "circle" else 4
        lines.append(
            f"{path},{' '.join([*filler, *words])},{corners + rng.gauss(0, 2):.2f},{rng.choice(['red', 'green', 'blue'])},{shape}"
        )
    return "\n".join(lines).encode() + b"\n", images


def _draw(shape: str, rng: random.Random) -> bytes:
    image = Image.new("RGB", (24, 24), "white")
    x, y, size = rng.randint(1, 8), rng.randint(1, 8), rng.randint(8, 14)
    draw = ImageDraw.Draw(image)
    (draw.ellipse if shape == "circle" else draw.rectangle)((x, y, x + size, y + size), fill="black")
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()
