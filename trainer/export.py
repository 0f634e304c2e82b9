"""Export a job's model as one program: ``python -m trainer.export --artifacts DIR --out model.pt2``."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from pathlib import Path

from contracts.job import InvalidSpec
from trainer.errors import EXIT_OK, DataError, ModelError, StoreError
from trainer.predict import EXITS


def main(arguments: list[str] | None = None) -> int:
    """Export, and give the process's exit code."""
    parser = argparse.ArgumentParser(prog="python -m trainer.export", description=__doc__)
    parser.add_argument("--artifacts", required=True, help="folder or s3:// or file:// URI that a job wrote")
    parser.add_argument("--out", required=True, type=Path, help="file to write; torch.export.load reads it")
    options = parser.parse_args(arguments)
    # imported here, so that --help and wrong arguments answer at once
    import torch  # noqa: PLC0415

    from trainer.saved import fetch_artifacts, load_program  # noqa: PLC0415
    from trainer.settings import Settings  # noqa: PLC0415

    try:
        with tempfile.TemporaryDirectory() as folder:
            settings = Settings.from_env(os.environ)
            program = load_program(fetch_artifacts(options.artifacts, Path(folder)), settings)
            torch.export.save(program, options.out)
    except (DataError, InvalidSpec, ModelError, StoreError) as error:
        sys.stderr.write(f"{error}\n")
        return EXITS[type(error)]
    return EXIT_OK


if __name__ == "__main__":
    sys.exit(main())
