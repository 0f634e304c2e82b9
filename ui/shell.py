"""What stands around every page: header, navigation, colour scheme, and the place for the page itself."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import dash_mantine_components as dmc
from dash import dcc, html

from ui import bundles
from ui.parts import attributes, icon

if TYPE_CHECKING:
    from ui.bundles import Bundle
    from ui.parts import Node

THEME: dict[str, Any] = {
    "colors": {
        "dark": [
            "#e7eaf1",
            "#c3cad8",
            "#a0a9ba",
            "#7d879b",
            "#3a4254",
            "#2d3342",
            "#232836",
            "#1b1f2a",
            "#161a23",
            "#12151d",
        ],
        "brand": [
            "#eceffd",
            "#dde2fb",
            "#bcc5f7",
            "#9aa7f2",
            "#7d8dee",
            "#6172e4",
            "#4254d6",
            "#3546c0",
            "#2c3aa1",
            "#232e80",
        ],
    },
    "primaryColor": "brand",
    "primaryShade": 6,
    "defaultRadius": "md",
    "fontFamily": "Inter, system-ui, -apple-system, 'Segoe UI', Roboto, 'Noto Sans', Arial, sans-serif",
    "headings": {"fontWeight": "650"},
    "components": {
        # the input keeps its label's look wherever it stands
        "TextInput": {"defaultProps": {"size": "sm"}},
        "Checkbox": {"defaultProps": {"radius": "sm"}},  # with the default one it looks like a radio button
        "Select": {"defaultProps": {"size": "sm", "comboboxProps": {"shadow": "md"}}},
    },
}

NAVIGATION = (("Home", "/"), ("Data sets", "/datasets"), ("Jobs", "/jobs"))

_INDEX = """<!DOCTYPE html>
<html lang="en">
  <head>
    {%metas%}
    <title>{title}</title>
    {%favicon%}
    <script>{early}</script>
    <link rel="stylesheet" href="{styles}">
    {%css%}
  </head>
  <body>
    <noscript>Triptych needs JavaScript in the browser.</noscript>
    {%app_entry%}
    <div id="early" inert aria-hidden="true">{page}</div>
    <footer><script src="{scripts}"></script>{%config%}{%scripts%}{%renderer%}</footer>
  </body>
</html>"""


def index(files: dict[str, Bundle]) -> str:
    """Give the page that Dash fills.

    Args:
        files: What `bundles.read` gives.
    """
    return (
        _INDEX.replace("{early}", early(files))
        .replace("{styles}", files["triptych.css"].address)
        .replace("{scripts}", files["triptych.js"].address)
    )


def early(files: dict[str, Bundle]) -> str:
    """Give the script in the head of every page; files as for `index`."""
    text = (Path(__file__).parent / "early.js").read_text("utf-8")
    return text.replace("{charts}", files[bundles.CHARTS].address)


def framed(page: Node, here: str) -> Node:
    """Make the frame with a page in it, for the eye alone: without what Dash and scripts look for.

    Args:
        page: What is shown.
        here: The navigation entry that it belongs to.
    """
    return [
        html.Header(
            html.Div([_brand(), _navigation(here), _tools()], className="header-inner"),
            className="header",
        ),
        html.Main(html.Div(page, className="page"), className="main"),
    ]


def shell() -> Any:
    """Make the frame; routing fills #page."""
    return dmc.MantineProvider(
        [
            dcc.Location(id="location", refresh="callback-nav"),
            dcc.Store(id="page-title"),
            html.A("Skip to content", href="#page", className="skip-link"),
            html.Header(
                html.Div([_brand(), _navigation(), _tools()], className="header-inner"),
                className="header",
            ),
            html.Main(html.Div(id="page", className="page", tabIndex=-1), className="main"),
            dmc.NotificationContainer(id="notifications", position="bottom-right", autoClose=4000),
        ],
        theme=THEME,
        defaultColorScheme="auto",
    )


def _brand() -> Any:
    return dcc.Link(
        [
            html.Span([html.I(), html.I(), html.I()], className="logo", **attributes(aria_hidden="true")),
            html.Span("Triptych", className="brand-name"),
        ],
        href="/",
        className="brand",
        title="Triptych: home",
    )


def link_class(href: str, here: str) -> str:
    """Give the class of an entry of the navigation, where `here` is the one that the page belongs to."""
    return "nav-link active" if href == here else "nav-link"


def _navigation(here: str = "") -> Any:
    links = [
        dcc.Link(text, href=href, className=link_class(href, here), id={"part": "nav", "index": href})
        for text, href in NAVIGATION
    ]
    return html.Nav(links, className="nav", **attributes(aria_label="Main"))


def _tools() -> Any:
    account = dcc.Link(
        [icon("person"), html.Span("Account", className="sr-only")],
        href="/account",
        className="account-link",
        title="Account",
    )
    return html.Div([account, _scheme_toggle()], className="tools")


def _scheme_toggle() -> Any:
    return dmc.ColorSchemeToggle(
        id="scheme-toggle",
        lightIcon=icon("sun"),
        darkIcon=icon("moon"),
        variant="subtle",
        color="gray",
        size="lg",
        **attributes(aria_label="Switch between light and dark"),
    )
