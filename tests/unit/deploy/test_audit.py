"""What the audit makes of pip-audit's report, and of services that do not answer."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

ROOT = Path(__file__).parents[3]


@pytest.fixture
def audit(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "scripts")
    spec = importlib.util.spec_from_file_location("audit", ROOT / "scripts/audit.py")
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "audit", module)
    spec.loader.exec_module(module)
    monkeypatch.setattr(sys, "argv", ["audit.py"])
    monkeypatch.setattr(module, "_answers", lambda url: "pypi" in url)
    return module


def package(name, *vulnerabilities):
    return {"name": name, "version": "1.0", "vulns": list(vulnerabilities)}


KNOWN = {"id": "PYSEC-1", "aliases": ["CVE-2026-1"], "fix_versions": ["1.1"], "description": "bad"}


@pytest.fixture
def reporting(audit, monkeypatch):
    """Have pip-audit report something."""

    def say(*packages):
        answer = SimpleNamespace(stdout=json.dumps({"dependencies": packages}), stderr="", returncode=0)
        monkeypatch.setattr(audit.pins, "every", lambda: [("flask", "1.0"), ("jinja2", "1.0")])
        monkeypatch.setattr(subprocess, "run", lambda *_, **__: answer)

    return say


def test_a_vulnerability_fails_with_its_name_and_the_version_that_mends_it(audit, reporting, capsys):
    reporting(package("flask", KNOWN), package("jinja2"))
    assert audit.main() == 1
    assert "VULNERABLE: flask 1.0: PYSEC-1, CVE-2026-1; mended in 1.1" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["PYSEC-1", "CVE-2026-1"])
def test_one_that_is_ignored_is_told_with_its_reason(audit, reporting, capsys, monkeypatch, name):
    monkeypatch.setitem(audit.IGNORED, name, "never called")
    reporting(package("flask", KNOWN), package("jinja2"))
    assert audit.main() == 0
    assert "ignored: never called" in capsys.readouterr().out


def test_what_was_not_looked_up_is_not_called_sound(audit, reporting, capsys):
    reporting(package("flask"), {"name": "jinja2", "skip_reason": "not found"})
    assert audit.main() == 0
    said = capsys.readouterr().out
    assert "not looked up: jinja2" in said
    assert "1 of 2 packages looked up at pypi, 0 vulnerabilities" in said


@pytest.mark.parametrize(("arguments", "code"), [((), 0), (("--strict",), 1)])
def test_without_a_network_it_says_that_nothing_was_audited(audit, monkeypatch, capsys, arguments, code):
    monkeypatch.setattr(audit, "_answers", lambda _url: False)
    monkeypatch.setattr(sys, "argv", ["audit.py", *arguments])
    assert audit.main() == code
    assert "NOT AUDITED" in capsys.readouterr().err


def test_a_broken_pip_audit_is_no_pass(audit, monkeypatch):
    answer = SimpleNamespace(stdout="Traceback", stderr="it broke", returncode=1)
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: answer)
    with pytest.raises(SystemExit, match="it broke"):
        audit.main()


def test_every_pin_is_looked_up_once_each_version(audit):
    found = audit.pins.every()
    assert len(found) == len(set(found)) > 200
    assert {("flask", "3.1.3"), ("torch", "2.13.0")} <= set(found)
    groups = audit._apart([("a", "1"), ("a", "2"), ("b", "1")])
    assert groups == [[("a", "1"), ("b", "1")], [("a", "2")]]
