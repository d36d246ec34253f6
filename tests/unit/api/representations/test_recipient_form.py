"""The recipient form, which the HTTP API and the importer share."""

import subprocess
import sys
from typing import Any

import orjson
import pytest

from service.api.representations.recipient_form import RecipientForm, recipient_of
from service.model.validators import FieldProblem
from tests.support.api_fixture import CATALOGUE, ApiFixture


@pytest.mark.parametrize(
    ("preferences", "field", "message"),
    [
        ({"nope": {"email": True}}, ("preferences", "nope"), "There is no such type."),
        (
            {"overbid": {"sms": True}},
            ("preferences", "overbid", "sms"),
            "The type does not have this channel.",
        ),
    ],
)
def test_problems_name_the_field(preferences: Any, field: tuple[str, ...], message: str) -> None:
    """A choice that the catalogue does not have is a FieldProblem with the path to it."""
    form = RecipientForm(preferences=preferences)

    with pytest.raises(FieldProblem) as raised:
        recipient_of("alice", form, None, CATALOGUE, 1)

    assert (raised.value.field, raised.value.message) == (field, message)


async def test_problems_over_http(api: ApiFixture) -> None:
    """The API renders a FieldProblem as a 422 problem with a JSON pointer, whose parts have at most 100 characters."""
    answer = await api.client.put(
        "/v1/recipients/alice",
        json={"preferences": {"a/b~" + "c" * 200: {"email": True}}},
        headers=api.bearer("ops", "tables"),
    )

    assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")
    assert answer.content == orjson.dumps(
        {
            "type": "urn:tocsin:problem:invalid-body",
            "title": answer.json()["title"],
            "status": 422,
            "detail": "There is no such type.",
            "errors": [
                {"detail": "There is no such type.", "pointer": f"#/preferences/a~1b~0{'c' * 96}"},
            ],
        }
    )
    assert not api.publisher.messages


def test_the_importer_does_not_load_the_http_framework() -> None:
    """The importer uses the form without FastAPI."""
    script = "import service.cli.importing.row_validation, sys; sys.exit('fastapi' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0
