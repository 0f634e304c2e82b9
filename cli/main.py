"""`triptych`: the platform from a terminal."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from cli import access_commands, dataset_commands, dead_letter_commands, job_commands, webhook_commands
from cli.audit_command import audit
from cli.data_dir import DataDir
from cli.demo import demo as run_demo
from cli.errors import FAILED, CommandFailed, status_of, told
from cli.limits_command import limits
from cli.output import Output
from cli.predict_command import predict
from cli.session import Session, session_of
from cli.sweep_command import sweep
from cli.train_command import train
from cli.up import up as run_up
from client import ApiError, Unusable

app = typer.Typer(
    name="triptych",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(dataset_commands.app)
app.add_typer(job_commands.app)
app.add_typer(dead_letter_commands.app)
app.add_typer(webhook_commands.app)
app.add_typer(access_commands.keys)
app.add_typer(access_commands.workspaces)
app.command()(train)
app.command()(sweep)
app.command()(predict)
app.command()(limits)
app.command()(audit)
app.command()(access_commands.whoami)
app.command()(job_commands.logs)
app.command()(job_commands.artifacts)

DataDirOption = Annotated[Path, typer.Option(help="Where the platform keeps everything.")]
PortOption = Annotated[int, typer.Option(min=1, max=65535, help="Where the platform listens.")]


@app.callback()
def options(
    context: typer.Context,
    url: Annotated[
        str, typer.Option(envvar="TRIPTYCH_URL", help="Where the platform is.")
    ] = "http://localhost:8080",
    key: Annotated[
        str, typer.Option(envvar="TRIPTYCH_KEY", help="API key; not needed on the platform's own machine.")
    ] = "",
    *,
    json: Annotated[
        bool, typer.Option("--json", help="Results as JSON; progress goes to standard error.")
    ] = False,
) -> None:
    """Train classifiers on tables of text, numbers, categories and images."""
    context.obj = Session(url, key, Output(as_json=json))


@app.command()
def up(
    context: typer.Context,
    port: PortOption = 8080,
    host: Annotated[str, typer.Option(help="Address to listen on; 0.0.0.0 for all.")] = "localhost",
    data_dir: DataDirOption = Path("var"),
    *,
    open_: Annotated[bool, typer.Option("--open", help="Show it in the browser once it is ready.")] = False,
    require_key: Annotated[
        bool,
        typer.Option("--require-key", help="Ask for a key on this machine, too, as for any other --host."),
    ] = False,
) -> None:
    """Run the whole platform on this machine, until Ctrl-C."""
    output = session_of(context).output
    run_up(DataDir(data_dir), host, port, output.say, open_browser=open_, require_key=require_key)


@app.command()
def demo(context: typer.Context, port: PortOption = 8080, data_dir: DataDirOption = Path("var")) -> None:
    """Train a model on real data, on a platform started for it if none runs."""
    session = session_of(context)
    run_demo(DataDir(data_dir), port, session.key, session.output)


@app.command()
def models(context: typer.Context) -> None:
    """List the models and their parameters."""
    session = session_of(context)
    answer = session.client.models()
    if session.output.as_json:
        session.output.json(answer)
        return
    for model in answer["items"]:
        session.output.line(f"{model['name']}: {model['description']}")
        session.output.table(
            ("  parameter", "default", "what it does"),
            (
                (f"  {name}", schema.get("default"), schema.get("description"))
                for name, schema in model["params_schema"].get("properties", {}).items()
            ),
        )


def main() -> None:
    """Run the command line; what stops a command is one line on standard error and an exit status of its own."""
    try:
        app()
    except CommandFailed as error:
        _end(str(error), error.status)
    except Unusable as error:
        _end(str(error), FAILED)
    except ApiError as error:
        _end(told(error), status_of(error))


def _end(text: str, status: int) -> NoReturn:
    Output().fail(text)
    sys.exit(status)


if __name__ == "__main__":
    main()
