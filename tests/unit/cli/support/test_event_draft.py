"""Events built from options: valid CloudEvents, validated by the code that ingests them."""

from typing import Any

import orjson
import pytest

from service.cli.support.event_draft import (
    CONTENT_TYPE,
    EventDraft,
    draft_event,
    recipients_text,
    validate_event,
)
from service.cli.support.factories import load_catalogue
from service.model.catalogue import Catalogue
from service.model.event import InvalidEvent
from service.model.reasons import DeadReason
from service.settings import Settings

NOW = 1_790_000_000_000


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return load_catalogue(Settings())


def _draft(type_name: str, **changes: Any) -> EventDraft:
    fields: dict[str, Any] = {
        "sample": {},
        "data": {},
        "options": {},
        "source": "/test",
        "time": "2026-09-21T14:13:20Z",
    }
    return draft_event(type_name=type_name, **{**fields, **changes})


def test_the_sample_of_every_type_can_be_published(catalogue: Catalogue) -> None:
    """`--sample` never makes an event that would be refused."""
    for type_ in catalogue:
        draft = _draft(type_.name, sample=type_.sample)

        event, message = validate_event(draft, "e1", "events", catalogue, NOW)

        assert event.type == type_.name
        assert message.headers == (CONTENT_TYPE,)


def test_attributes_are_those_of_cloudevents(catalogue: Catalogue) -> None:
    """Names are lower-case letters and digits, and extensions are text (CloudEvents 1.0 section 3.1)."""
    options = {
        "recipients": recipients_text(["a,b", "c"]),
        "external_id": "12",
        "actor": "zoe",
        "project_id": None,
    }
    draft = _draft("overbid", data={"lot_id": "1"}, options=options)

    event, message = validate_event(draft, "e1", "events", catalogue, NOW)

    value = orjson.loads(message.value or b"")
    assert all(name.isalnum() and name.islower() for name in value)
    assert all(isinstance(value[name], str) for name in value if name != "data")
    assert (event.recipients, event.external_id, event.actor) == (("a,b", "c"), "12", "zoe")
    assert message.key == b"a,b"


def test_options_replace_the_sample(catalogue: Catalogue) -> None:
    """Field by field, also within the data."""
    draft = _draft(
        "overbid",
        sample=catalogue["overbid"].sample,
        data={"lot_id": "9"},
        options={"recipients": recipients_text(["carol"])},
    )

    event, _ = validate_event(draft, "e1", "events", catalogue, NOW)

    assert (event.recipients, event.data["lot_id"]) == (("carol",), "9")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"options": {"recipients": '["a"]'}}, DeadReason.invalid_data),
        ({"data": {"lot_id": 1}, "options": {"recipients": '["a"]'}}, DeadReason.invalid_data),
        ({"data": {"lot_id": "1"}}, DeadReason.missing_audience),
        ({"data": {"lot_id": "1"}, "options": {"recipients": "[1]"}}, DeadReason.invalid_attribute),
        ({"data": {"lot_id": "1", "x": "y" * 300_000}}, DeadReason.too_large),
        ({"source": ""}, DeadReason.missing_attribute),
    ],
)
def test_an_invalid_event_is_refused_with_the_reason_of_its_dead_letter(
    catalogue: Catalogue, changes: dict[str, Any], reason: DeadReason
) -> None:
    """The reason is the same code of the closed set."""
    with pytest.raises(InvalidEvent) as refused:
        validate_event(_draft("overbid", **changes), "e1", "events", catalogue, NOW)

    assert refused.value.reason is reason


def test_ids_are_numbered_only_for_several_events() -> None:
    """One event has the id of `--id`; without that option each id is new."""
    assert _draft("overbid", event_id="x").event_id(1, 1) == "x"
    assert _draft("overbid", event_id="x").event_id(2, 3) == "x-2"
    assert len({_draft("overbid").event_id(n, 3) for n in range(3)}) == 3
