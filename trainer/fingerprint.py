"""What the data and the machine were, so that two trainings can be told to have seen the same."""

from __future__ import annotations

import hashlib
import platform
import sys
from typing import TYPE_CHECKING

import numpy as np

from contracts.report import ClassRows, Fingerprint, Hardware, ImagesFingerprint
from tabular.dialect import detect_dialect
from tabular.reader import read_header
from trainer.cpu import cpu_limit
from trainer.machine import memory_limit

if TYPE_CHECKING:
    from contracts.job import JobSpec
    from trainer.data import Data
    from trainer.inputs import ImageFolder, Inputs


def fingerprint(spec: JobSpec, inputs: Inputs, data: Data) -> Fingerprint:
    """Sum up a job's data."""
    with inputs.table.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    header = read_header(inputs.table, spec.dialect or detect_dialect(inputs.table))
    train, val = (
        np.bincount(data.target[side], minlength=len(data.labels))
        for side in (data.split.train, data.split.val)
    )
    return Fingerprint(
        rows=len(data.frame),
        columns=len(header.names),
        table_bytes=inputs.table.stat().st_size,
        table_sha256=digest,
        images=_images(inputs.images) if inputs.images else None,
        classes=[
            ClassRows(label=label, train=int(train[number]), val=int(val[number]))
            for number, label in enumerate(data.labels)
        ],
    )


def hardware() -> Hardware:
    """Say what this process may use; a GPU where torch is loaded and has found one."""
    torch = sys.modules.get("torch")
    gpu = torch.cuda.get_device_name() if torch is not None and torch.cuda.is_available() else None
    return Hardware(cpus=cpu_limit(), memory_bytes=memory_limit(), gpu=gpu, platform=platform.platform())


def _images(images: ImageFolder) -> ImagesFingerprint:
    digest, total = hashlib.sha256(), 0
    for path in images.paths:
        size = images.size(path)
        total += size
        digest.update(f"{path}\t{size}\n".encode())
    return ImagesFingerprint(files=len(images.paths), bytes=total, sha256=digest.hexdigest())
