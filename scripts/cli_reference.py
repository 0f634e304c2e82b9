"""Writes docs/reference/cli.md from the command line's own parser, or checks that it is up to date.

`python scripts/cli_reference.py --write` rewrites the page between its two markers.
"""

from __future__ import annotations

from typing import Any

import typer.main
from generated import keep

from cli.main import app

BEGIN, END = "<!-- cli: begin (make docs writes this) -->\n", "<!-- cli: end -->"
Command = Any  # click's, or the copy of it that typer carries


def page() -> str:
    """Write every command, in the order in which `--help` lists them."""
    root = typer.main.get_command(app)
    parts = [_options(root)]
    commands = getattr(root, "commands", {})
    for name, command in commands.items():
        inner = getattr(command, "commands", None)
        if inner is None:
            parts.append(_command(f"triptych {name}", command))
        else:
            parts += [_command(f"triptych {name} {sub}", one) for sub, one in inner.items()]
    return "\n".join(parts)


def _command(title: str, command: Command) -> str:
    arguments = [one for one in command.params if one.param_type_name == "argument"]
    usage = " ".join([title, *(_argument(one) for one in arguments)])
    told = f"## {title}\n\n{command.help}\n\n```text\n{usage}\n```\n"
    return told + ("\n" + _options(command) if any(_shown(one) for one in command.params) else "")


def _argument(argument: Command) -> str:
    name = (argument.metavar or argument.name).upper()
    return name if argument.required else f"[{name}]"


def _shown(parameter: Command) -> bool:
    # Beside --help, typer's own options install completion
    own = {"help", "install_completion", "show_completion"}
    return bool(parameter.param_type_name == "option" and parameter.name not in own)


def _options(command: Command) -> str:
    lines = ["| option | default | |", "|---|---|---|"]
    for one in command.params:
        if not _shown(one):
            continue
        names = ", ".join(f"`{name}`" for name in [*one.opts, *one.secondary_opts])
        metavar = "" if one.is_flag or not one.metavar else f" `{one.metavar}`".replace("|", "\\|")
        default = "required" if one.required else _default(one)
        lines.append(f"| {names}{metavar} | {default} | {(one.help or '').replace('|', chr(92) + '|')} |")
    return "\n".join([*lines, ""])


def _default(option: Command) -> str:
    value = option.default
    if callable(value) or value is None or value == () or str(value).startswith("Sentinel"):
        return ""
    if option.is_flag:
        return f"`{option.opts[0]}`" if value and option.secondary_opts else ""
    return f"`{value}`" if str(value) else ""


if __name__ == "__main__":
    keep("docs/reference/cli.md", BEGIN, END, page())
