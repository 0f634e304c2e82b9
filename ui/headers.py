"""Headers that tell a browser what a page of ours may do, so that text which gets into one as markup can do nothing."""

from __future__ import annotations

import base64
import hashlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from dash import Dash
    from flask import Flask, Response

    from ui.settings import UiSettings

_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}


def policy(hashes: Iterable[str], origins: Iterable[str]) -> str:
    """Write the Content-Security-Policy.

    Args:
        hashes: Of the inline scripts that are ours; all others are refused.
        origins: Beside our own, those that pages may send to and take pictures from.
    """
    elsewhere = "".join(f" {origin}" for origin in origins)
    return "; ".join(
        (
            "default-src 'none'",
            # No 'unsafe-eval': neither Dash nor our charts make code of text. Plotly's traces in WebGL would: the library has none of them
            " ".join(("script-src 'self'", *hashes)),
            # Mantine and Plotly write styles into the page as it runs, and pages hold them in attributes: no hash covers those
            "style-src 'self' 'unsafe-inline'",
            f"img-src 'self' data: blob:{elsewhere}",
            "font-src 'self' data:",
            f"connect-src 'self'{elsewhere}",
            "manifest-src 'self'",
            "base-uri 'none'",
            "form-action 'self'",
            "frame-ancestors 'none'",
        )
    )


def install(app: Dash, early: str, settings: UiSettings) -> None:
    """Send the headers with every answer; all pages are registered, so that their scripts are known.

    Args:
        app: The UI.
        early: The inline script of our own.
        settings: What is allowed beside.
    """
    hashes = [_hash(early), *app.csp_hashes()]
    told = {**_HEADERS, "Content-Security-Policy": policy(hashes, settings.csp_origins.split())}
    if settings.hsts_seconds:
        told["Strict-Transport-Security"] = f"max-age={settings.hsts_seconds}; includeSubDomains"

    server: Flask = app.server

    @server.after_request
    def _protect(response: Response) -> Response:
        for name, value in told.items():
            response.headers.setdefault(name, value)
        return response


def _hash(script: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"
