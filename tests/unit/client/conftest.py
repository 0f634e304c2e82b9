from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

SCRIPTS = str(Path(__file__).parents[3] / "scripts")


@pytest.fixture(scope="session")
def generator():
    """What writes client/types.py."""
    sys.path.insert(0, SCRIPTS)
    try:
        import client_types
    finally:
        sys.path.remove(SCRIPTS)
    return client_types


@pytest.fixture(scope="session")
def document(generator):
    """The OpenAPI document of the whole API."""
    return generator.document()


@pytest.fixture(scope="session")
def operation(document):
    """Find what the document says of a request; a path has one place for an id at most, and ids hold no slash."""
    paths = {
        re.compile(re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(path))): item
        for path, item in document["paths"].items()
    }

    def find(request):
        path = request.url.raw_path.decode().partition("?")[0]
        # of two that match, the one without a place for an id
        item = document["paths"].get(path) or next(paths[one] for one in paths if one.fullmatch(path))
        return item[request.method.lower()]

    return find
