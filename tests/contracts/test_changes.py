"""What the api publishes of changes: what was released once is read for ever, and what is unknown is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from pydantic import ValidationError

from contracts.changes import Change

EXAMPLE = json.loads((Path(__file__).parents[2] / "contracts" / "examples" / "change.json").read_text())


def test_the_golden_message_decodes_and_encodes_to_itself():
    assert Change.model_validate(EXAMPLE).model_dump(mode="json") == EXAMPLE


@pytest.mark.parametrize("change", [{"kind": "model"}, {"id": None}, {"surprise": 1}], ids=str)
def test_a_change_that_is_none_is_refused(change):
    with pytest.raises(ValidationError):
        Change.model_validate(EXAMPLE | change)
