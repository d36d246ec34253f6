"""Events made from options: valid CloudEvents, checked by the code that ingests them."""

from typing import Any

import orjson
import pytest

from service.cli.support.event_draft import CONTENT_TYPE, Draft, checked, draft_of, recipients_text
from service.cli.support.factories import catalogue_of
from service.model.catalogue import Catalogue
from service.model.event import InvalidEvent
from service.model.reasons import DeadReason
from service.settings import Settings

NOW = 1_790_000_000_000


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return catalogue_of(Settings())


def _draft(type_name: str, **given: Any) -> Draft:
    fields: dict[str, Any] = {
        "sample": {},
        "data": {},
        "audience": {},
        "source": "/test",
        "time": "2026-09-21T14:13:20Z",
    }
    return draft_of(type_name=type_name, **{**fields, **given})


def test_the_sample_of_every_type_can_be_published(catalogue: Catalogue) -> None:
    """`--sample` never gives an event that would be refused."""
    for row in catalogue:
        event, message = checked(_draft(row.name, sample=row.sample), "e1", "events", catalogue, NOW)

        assert event.type == row.name
        assert message.headers == (CONTENT_TYPE,)


def test_attributes_are_those_of_cloudevents(catalogue: Catalogue) -> None:
    """Names are lower-case letters and digits, and extensions are text (CloudEvents 1.0 section 3.1)."""
    audience = {
        "recipients": recipients_text(["a,b", "c"]),
        "external_id": "12",
        "actor": "zoe",
        "project_id": None,
    }
    draft = _draft("overbid", data={"lot_id": "1"}, audience=audience)

    event, message = checked(draft, "e1", "events", catalogue, NOW)

    value = orjson.loads(message.value or b"")
    assert all(name.isalnum() and name.islower() for name in value)
    assert all(isinstance(value[name], str) for name in value if name != "data")
    assert (event.recipients, event.external_id, event.actor) == (("a,b", "c"), "12", "zoe")
    assert message.key == b"a,b"


def test_options_win_over_the_sample(catalogue: Catalogue) -> None:
    """What is typed replaces what is sampled, field by field."""
    draft = _draft(
        "overbid",
        sample=catalogue["overbid"].sample,
        data={"lot_id": "9"},
        audience={"recipients": recipients_text(["carol"])},
    )

    event, _ = checked(draft, "e1", "events", catalogue, NOW)

    assert (event.recipients, event.data["lot_id"]) == (("carol",), "9")


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"audience": {"recipients": '["a"]'}}, DeadReason.invalid_data),
        ({"data": {"lot_id": 1}, "audience": {"recipients": '["a"]'}}, DeadReason.invalid_data),
        ({"data": {"lot_id": "1"}}, DeadReason.missing_audience),
        ({"data": {"lot_id": "1"}, "audience": {"recipients": "[1]"}}, DeadReason.invalid_attribute),
        ({"data": {"lot_id": "1", "x": "y" * 300_000}}, DeadReason.too_large),
        ({"source": ""}, DeadReason.missing_attribute),
    ],
)
def test_a_wrong_event_is_refused_as_its_dead_letter_would_be(
    catalogue: Catalogue, given: dict[str, Any], reason: DeadReason
) -> None:
    """The reason is the same closed code."""
    with pytest.raises(InvalidEvent) as refused:
        checked(_draft("overbid", **given), "e1", "events", catalogue, NOW)

    assert refused.value.reason is reason


def test_ids_are_numbered_only_where_there_are_several() -> None:
    """One event has the id that was asked for; without one, each is new."""
    assert _draft("overbid", event_id="x").event_id(1, 1) == "x"
    assert _draft("overbid", event_id="x").event_id(2, 3) == "x-2"
    assert len({_draft("overbid").event_id(n, 3) for n in range(3)}) == 3
