from __future__ import annotations

import pytest

from ui.settings import load


def test_defaults_need_no_environment(monkeypatch):
    monkeypatch.delenv("API_BASE", raising=False)
    assert load().api_base == "http://localhost:8080"


def test_the_trailing_slash_of_the_origin_is_dropped(monkeypatch):
    monkeypatch.setenv("API_BASE", "https://triptych.example/")
    assert load().api_base == "https://triptych.example"


@pytest.mark.parametrize("value", ["localhost:8080", "ftp://host", "http://", "http://host:80/api"])
def test_what_is_no_origin_is_refused_by_its_name(monkeypatch, value):
    monkeypatch.setenv("API_BASE", value)
    with pytest.raises(SystemExit) as refused:
        load()
    assert "API_BASE is" in str(refused.value)
    assert "origin" in str(refused.value)


def test_all_mistakes_are_told_at_once(monkeypatch):
    monkeypatch.setenv("API_TIMEOUT_SECONDS", "soon")
    monkeypatch.setenv("UI_THREADS", "0")
    monkeypatch.setenv("LOG_LEVEL", "LOUD")
    with pytest.raises(SystemExit) as refused:
        load()
    for name in ("API_TIMEOUT_SECONDS", "UI_THREADS", "LOG_LEVEL"):
        assert name in str(refused.value)
