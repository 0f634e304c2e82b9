"""Which page an address shows.

Dash's own pages keep a registry for the whole process that page modules fill when they are imported. One table and one
callback here build nothing at import, match addresses exactly, and have one place for titles, pages that do not exist
and an API that does not answer.
"""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, unquote

from dash import ALL, ClientsideFunction, Dash, Input, Output, html

from client import Api, ApiError, Refused
from ui import first_paint, wording
from ui.pages import account, compare, dataset, datasets, home, job, jobs, new_job, try_model
from ui.parts import empty, failure, heading, link_button, message
from ui.shell import NAVIGATION, framed, link_class

if TYPE_CHECKING:
    from collections.abc import Callable

    from ui.parts import Node

Query = dict[str, str]
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Page:
    """An address and what it shows; the pattern's groups and the query are given to the layout."""

    pattern: re.Pattern[str]
    title: str
    layout: Callable[[Api, tuple[str, ...], Query], Node]


PAGES = (
    Page(re.compile(r"/"), "Home", lambda api, _path, _query: home.layout(api)),
    Page(re.compile(r"/datasets/?"), "Data sets", lambda api, _path, query: datasets.layout(api, query)),
    Page(
        re.compile(r"/datasets/([^/]+)/?"),
        "Data set",
        lambda api, path, query: dataset.layout(api, path[0], query),
    ),
    Page(re.compile(r"/jobs/?"), "Jobs", lambda api, _path, query: jobs.layout(api, query)),
    Page(
        re.compile(r"/jobs/compare/?"), "Compare jobs", lambda api, _path, query: compare.layout(api, query)
    ),
    Page(re.compile(r"/jobs/new/?"), "New job", lambda api, _path, query: new_job.layout(api, query)),
    Page(
        re.compile(r"/jobs/([^/]+)/try/?"),
        "Try a model",
        lambda api, path, query: try_model.layout(api, path[0], query),
    ),
    Page(re.compile(r"/jobs/([^/]+)/?"), "Job", lambda api, path, _query: job.layout(api, *path)),
    Page(re.compile(r"/account/?"), "Account", lambda api, _path, _query: account.layout(api)),
)


def show(api: Api, path: str, search: str) -> tuple[Node, str]:
    """Give the page of an address, and its title; never raises for what the API says."""
    for page in PAGES:
        match = page.pattern.fullmatch(path)
        if match is None:
            continue
        try:
            groups = tuple(unquote(group) for group in match.groups())
            return page.layout(api, groups, dict(parse_qsl(search.lstrip("?")))), page.title
        except ApiError as error:
            told = failure(error, retry=True, back=section(path))
            return html.Div([heading(page.title), told]), page.title
        except Exception:
            # without this the old page would stay, as if nothing had been clicked
            log.exception("a page failed", extra={"path": path})
            defect = message("error", "This page has a defect", "The UI's log says where.")
            return html.Div([heading(page.title), defect]), page.title
    home = link_button("Go home", "/", primary=True)
    nothing = empty("There is no such page", f"Nothing is at {wording.isolated(path)}.", home)
    return html.Div([heading("Not found"), nothing]), "Not found"


def early(api: Api, path: str, search: str) -> tuple[str, str]:
    """Give a page's title, and the page as HTML that is shown until Dash has started; no HTML where that would not be soon.

    Args:
        api: One that gives up soon. What is wrong, the page itself tells.
        path: Of the address, decoded.
        search: Its query.

    Raises:
        Refused: Nobody is signed in who may look at it.
    """
    for page in PAGES:
        match = page.pattern.fullmatch(path)
        if match is None:
            continue
        try:
            children = page.layout(api, match.groups(), dict(parse_qsl(search)))
            return page.title, first_paint.written(framed(children, section(path)))
        except ApiError as error:
            if isinstance(error, Refused) and error.signed_out:
                raise
            return page.title, ""
        except Exception:
            log.exception("a page could not be written", extra={"path": path})
            return page.title, ""
    return "Not found", ""


def section(path: str) -> str:
    """Give the navigation entry that an address belongs to."""
    return next((href for _, href in reversed(NAVIGATION) if path == href or path.startswith(f"{href}/")), "")


def register(app: Dash, api: Api) -> None:
    """Show pages when the address changes."""

    @app.callback(
        Output("page", "children"),
        Output("page-title", "data"),
        Output({"part": "nav", "index": ALL}, "className"),
        Input("location", "pathname"),
        Input("location", "search"),
        Input({"part": "retry", "index": ALL}, "n_clicks"),
    )
    def _show(path: str | None, search: str | None, _clicks: list[Any]) -> tuple[Node, str, list[str]]:
        children, title = show(api, path or "/", search or "")
        here = section(path or "/")
        classes = [link_class(href, here) for _, href in NAVIGATION]
        return children, f"{title} · Triptych", classes

    # Also moves the focus to the new page, as a full page load would do
    app.clientside_callback(  # type: ignore[no-untyped-call]
        ClientsideFunction("triptych", "pageShown"),
        Output("page", "data-shown"),
        Input("page-title", "data"),
        Input("location", "pathname"),
    )
