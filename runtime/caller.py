"""Whom the present request comes from, for what is kept or counted for each caller."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import g, request

if TYPE_CHECKING:
    from runtime.access.principal import Principal


def principal() -> Principal | None:
    """Give the caller, or None where nobody had to prove anything."""
    found: Principal | None = getattr(g, "principal", None)
    return found


def identity() -> str:
    """Give what tells callers apart: workspace and id or name, or "" for all who are unknown."""
    who = principal()
    return f"{who.workspace}/{who.id}" if who else ""


def address(proxies: int) -> str:
    """Give a caller's network address.

    Args:
        proxies: How many proxies of ours are before this service; each adds its caller's address to X-Forwarded-For,
            and what stands before those is the caller's own word.
    """
    told = [part.strip() for part in request.headers.get("X-Forwarded-For", "").split(",") if part.strip()]
    if proxies and len(told) >= proxies:
        return told[-proxies]
    return request.remote_addr or "unknown"
