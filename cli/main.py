"""`triptych`: the platform from a terminal."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from cli.data_dir import AlreadyRunning, DataDir
from cli.ports import PortTaken
from cli.redis_server import NoRedis
from cli.runner import StartFailed
from cli.up import up as run_up

app = typer.Typer(name="triptych", help=__doc__, no_args_is_help=True, pretty_exceptions_enable=False)
_err = Console(stderr=True, highlight=False)


@app.callback()
def options() -> None:
    """Train classifiers on tables of text, numbers, categories and images."""


@app.command()
def up(
    port: Annotated[int, typer.Option(min=1, max=65535, help="Where the platform listens.")] = 8080,
    host: Annotated[str, typer.Option(help="Address to listen on; 0.0.0.0 for all.")] = "localhost",
    data_dir: Annotated[Path, typer.Option(help="Where everything is kept.")] = Path("var"),
    *,
    open_: Annotated[bool, typer.Option("--open", help="Show it in the browser once it is ready.")] = False,
) -> None:
    """Run the whole platform on this machine, until Ctrl-C."""
    try:
        code = run_up(
            DataDir(data_dir), host, port, lambda text: _err.print(text, markup=False), open_browser=open_
        )
    except (AlreadyRunning, PortTaken, NoRedis, StartFailed) as error:
        _err.print(str(error), style="red", markup=False)
        code = 1
    raise typer.Exit(code)


def main() -> None:
    """Run the command line."""
    app()
