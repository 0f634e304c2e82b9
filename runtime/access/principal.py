"""Who a request comes from, and what it may do."""

from __future__ import annotations

from dataclasses import dataclass

READ, WRITE, ADMIN, OPERATOR = "read", "write", "admin", "operator"
SCOPES = {
    READ: "look at what is in the workspace",
    WRITE: "upload, train, predict, change and delete",
    ADMIN: "make and revoke keys of the workspace, and read its audit log",
    OPERATOR: "make workspaces and keys of any; dead letters, limits and clean-up of the whole platform",
}


@dataclass(frozen=True)
class Principal:
    """A key, or a browser that somebody signed in.

    Attributes:
        workspace: Id of the workspace that it works in.
        scopes: What it may do; see SCOPES.
        name: Of the key or the person, for people.
        id: Of the key, or "session:" and a person's name; stable over its requests.
        by_cookie: Whether a browser sends its proof by itself, so that other sites could make it.
    """

    workspace: str
    scopes: frozenset[str]
    name: str
    id: str
    by_cookie: bool = False
