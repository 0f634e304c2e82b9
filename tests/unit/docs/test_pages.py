"""What the pages say leads somewhere: links, commands, make targets, variables, and the messages that they quote."""

from __future__ import annotations

import re
import shlex
import unicodedata
from functools import cache
from pathlib import Path

import pytest
import typer.main
import yaml

from cli.main import app
from contracts.job import JobSpec
from runtime.settings import MigrationSettings, RelaySettings
from services.api.settings import ApiSettings
from services.ingest.settings import IngestSettings
from services.launcher.settings import LauncherSettings
from services.metrics.settings import MetricsSettings
from services.predictor.settings import PredictorSettings
from trainer.settings import Settings as TrainerSettings
from ui.settings import UiSettings

ROOT = Path(__file__).parents[3]
PAGES = [ROOT / "README.md", ROOT / "SECURITY.md", *sorted(ROOT.glob("docs/**/*.md"))]
# How-tos and the pages around them; decisions and measurements name what was then
GUIDES = [page for page in PAGES if "adr" not in page.parts and page.stem not in {"benchmarks", "faults"}]
SETTINGS = (
    MigrationSettings, RelaySettings, ApiSettings, IngestSettings, LauncherSettings, MetricsSettings, PredictorSettings, UiSettings, JobSpec,
    TrainerSettings,
)  # fmt: skip
# Of this project, though of no settings class
OURS = {"ASSETS_JSON", "TRIPTYCH_KEY", "TRIPTYCH_URL", "JOB_MAX_RETRIES"}
# Of the programs around it
FOREIGN = re.compile(  # first those of deployments, to be replaced or set by whoever deploys
    r"(CACHE|DATABASE|TASK)_(SUBNETS|SECURITY_GROUP|CHANGES_QUEUE_URL)|OBJECTS_URL_OF_THE_STACK|\w+_ENDPOINT|TASK_DEFINITION|NO_EVICTION|INSTANCE_ID|LAUNCHER_MEMORY|TORCH_INDEX|"
    r"(AWS|PIP|OTEL|FAULT|POSTGRES|PG|REDIS|MINIO|GF|GRAFANA|DOCKER|COMPOSE|GITHUB|KUBE|KEDA|PYTHON|XDG|SSL|HTTPS?)_\w+"
    r"|VIRTUAL_ENV|LC_ALL|RLIMIT_AS|PROMETHEUS_MULTIPROC_DIR|CREATE_COMPLETE|UPDATE_COMPLETE|CAPABILITY_\w+|FARGATE_SPOT|FOLDER_OR_URI"
)


def _code(page):
    """Give a page's code: its blocks for the shell, and what stands in backticks."""
    text = page.read_text("utf-8")
    blocks = re.findall(r"^ *```sh\n(.*?)^ *```", text, re.DOTALL | re.MULTILINE)
    prose = re.sub(r"^ *```.*?^ *```", "", text, flags=re.DOTALL | re.MULTILINE)
    return blocks, re.findall(r"(?<!`)`([^`\n]+)`(?!`)", prose)


# --- links


def _slug_of_github(title):
    return re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")


def _slug_of_the_site(title):
    plain = unicodedata.normalize("NFKD", title).encode("ascii", "ignore").decode()
    return re.sub(r"[-\s]+", "-", re.sub(r"[^\w\s-]", "", plain).strip().lower())


@cache
def _anchors(page):
    text = re.sub(r"^ *```.*?^ *```", "", page.read_text("utf-8"), flags=re.DOTALL | re.MULTILINE)
    titles = [
        re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", title).replace("`", "")
        for title in re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    ]
    return {_slug_of_github(title) for title in titles} & {_slug_of_the_site(title) for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_local_link_picture_and_anchor_exists(page):
    text = re.sub(r"^ *```.*?^ *```", "", page.read_text("utf-8"), flags=re.DOTALL | re.MULTILINE)
    for target, anchor in re.findall(r"\]\((?!https?:|mailto:)([^)#\s]*)#?([^)\s]*)\)", text):
        there = (page.parent / target).resolve() if target else page
        assert there.exists(), f"{page.name} points to {target}"
        if anchor:
            assert anchor in _anchors(there), f"{page.name} points to {target}#{anchor}"


def test_the_site_shows_every_page_and_no_other():
    def paths(entries):
        for entry in entries:
            for value in entry.values():
                yield from [value] if isinstance(value, str) else paths(value)

    shown = list(paths(yaml.safe_load((ROOT / "mkdocs.yml").read_text())["nav"]))
    assert len(shown) == len(set(shown))
    there = {
        path.relative_to(ROOT / "docs").as_posix()
        for path in ROOT.glob("docs/**/*.md")
        if "adr" not in path.parts
    }
    assert there <= set(shown)
    assert set(shown) <= there


# --- commands


def _commands(block, program):
    """Give the arguments of each call of a program in a block of shell."""
    for line in block.replace("\\\n", " ").splitlines():
        lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
        lexer.whitespace_split, lexer.commenters = True, "#"
        words = list(lexer)
        for place, word in enumerate(words):
            before = words[place - 1] if place else ";"
            first = (
                set(before) <= set("();<>|&") or before in {"do", "then", "exec"} or re.match(r"\w+=", before)
            )
            if first and (word == program or word.endswith(f"/{program}")):
                rest = words[place + 1 :]
                end = next((n for n, one in enumerate(rest) if one and set(one) <= set("();<>|&")), len(rest))
                yield rest[:end]


def _parse(arguments):
    command, context = typer.main.get_command(app), None
    name = "triptych"
    while True:
        context = command.make_context(name, list(arguments), parent=context)
        if not hasattr(command, "commands"):
            return
        rest = [*getattr(context, "_protected_args", []), *context.args]
        name, command, arguments = command.resolve_command(context, rest)


CALLS = [
    pytest.param(arguments, id=f"{page.stem}: {' '.join(arguments)}")
    for page in GUIDES
    for block in _code(page)[0]
    for arguments in _commands(block, "triptych")
]


@pytest.mark.parametrize("arguments", CALLS)
def test_every_call_of_the_command_line_is_one_that_it_takes(arguments):
    _parse(arguments)


def test_a_call_that_it_does_not_take_is_found():
    [wrong] = _commands("JOB=$(triptych train a.csv --targets x | cut -f 1) # triptych up", "triptych")
    assert wrong == ["train", "a.csv", "--targets", "x"]
    with pytest.raises(Exception, match="--target"):
        _parse(wrong)


def test_every_target_of_make_is_there():
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for page in GUIDES:
        blocks, spans = _code(page)
        calls = [
            call
            for block in [*blocks, *(one for one in spans if one.startswith("make"))]
            for call in _commands(block, "make")
        ]
        named = {word for call in calls for word in call if re.fullmatch(r"[a-z][a-z-]*", word)}
        assert named <= targets, page.name


def test_every_module_that_is_run_is_there():
    for page in GUIDES:
        for module in re.findall(
            r"python3? (?:-P )?-m ((?:runtime|services|trainer|ui|cli|benchmarks)[\w.]*)",
            page.read_text("utf-8"),
        ):
            path = ROOT / module.replace(".", "/")
            assert path.with_suffix(".py").exists() or (path / "__main__.py").exists(), (
                f"{page.name} runs {module}"
            )


# --- variables and messages


@pytest.mark.parametrize("page", GUIDES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_variable_is_one_that_something_reads(page):
    known = OURS | {name.upper() for cls in SETTINGS for name in cls.model_fields}
    blocks, spans = _code(page)
    named = {
        word
        for text in [*blocks, *spans]
        for word in re.findall(r"(?<![\w$.])\$?\{?([A-Z][A-Z0-9]*_[A-Z0-9_]*[A-Z0-9])\b", text)
    }
    assert {name for name in named - known if not FOREIGN.fullmatch(name)} == set()


@cache
def _source():
    """Give the text of all code, its strings joined that are written over several lines, without formatting."""
    folders = ("cli", "client", "contracts", "runtime", "services", "tabular", "trainer", "ui")
    files = [
        ROOT / "Makefile",
        *(path for folder in folders for path in (ROOT / folder).rglob("*") if path.suffix in {".py", ".js"}),
    ]
    text = "\n".join(path.read_text("utf-8") for path in files)
    return re.sub(r"\\?([\"'])", r"\1", re.sub(r"[\"']\s*\n\s*f?[\"']", "", text))


def test_every_message_that_troubleshooting_quotes_is_one_of_the_code():
    text = (ROOT / "docs/troubleshooting.md").read_text("utf-8")
    cells = [line.split(" | ")[0] for line in text.splitlines() if line.startswith("| ")]
    quoted = [span for cell in cells for span in re.findall(r"`([^`]+)`", cell) if " " in span]
    assert len(quoted) > 40
    for message in quoted:
        # Between what differs from case to case: an ellipsis, a figure, a name
        for part in re.split(r"…|\d+|http://\S+|\.\.\.", message):
            words = part.strip(" ':;,.()")
            assert words in _source(), f"no code says {words!r} of {message!r}"
