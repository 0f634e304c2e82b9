"""What every command gets: the client of the platform that --url names, and where to write."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from cli.errors import CommandFailed
from client import Client, Unusable

if TYPE_CHECKING:
    import typer

    from cli.output import Output


@dataclass
class Session:
    """One call of the command line."""

    url: str
    key: str
    output: Output

    @cached_property
    def client(self) -> Client:
        """The platform at `url`."""
        try:
            return Client(self.url, self.key)
        except Unusable as error:
            # which begins with the argument's name, the option's, too
            raise CommandFailed(f"--{error}") from None


def session_of(context: typer.Context) -> Session:
    """Give the session of a command's context."""
    session = context.obj
    if not isinstance(session, Session):
        raise TypeError("the command runs outside `triptych`")
    return session
