"""Typed events: the shipped module is the generator's, and any catalogue makes a module that works."""

import json
from types import ModuleType
from typing import Any

import pytest
from tocsin_client import types
from tocsin_client.cloud_event import structured_bytes, to_cloud_event
from tocsin_client.errors import InvalidEvent, Reason
from tocsin_client.event import Event

from service.adapters.catalogue_file import load_catalogue
from service.cli.develop.sdk import LANGUAGES, describe
from service.cli.develop.sdk.python import FILE
from service.model.catalogue import Audience, AudienceRule, MetaField, NotificationType
from service.model.channels import Channel
from service.model.event import Event as ParsedEvent
from service.pipeline.resolve import ingest
from service.settings import templates_directory
from tests.support.paths import ROOT

CATALOGUE = load_catalogue(templates_directory())
SHIPPED = ROOT / "clients" / "python" / "tocsin_client" / FILE
USERS = Audience(kind=AudienceRule.users)


def classes(module: ModuleType) -> dict[str, Any]:
    """Return the classes of events in a module, by the name of their type."""
    found = (value for value in vars(module).values() if isinstance(value, type) and issubclass(value, Event))
    return {value.type: value for value in found if value is not Event}


def notification_type(name: str, **fields: Any) -> NotificationType:
    values = {"name": name, "domain": "own", "title": name, "description": name, "channels": (Channel.inbox,)}
    return NotificationType.model_validate({**values, "audience": (USERS,), **fields})


def generated(*declared: NotificationType) -> ModuleType:
    """Return a module of typed events that was generated and run."""
    text = LANGUAGES["python"](describe(declared))[FILE]
    module = ModuleType("generated")
    exec(compile(text, FILE, "exec"), vars(module))
    return module


def test_the_shipped_module_is_current() -> None:
    """`make docs` writes it, of the shipped catalogue."""
    assert SHIPPED.read_text() == LANGUAGES["python"](describe(CATALOGUE))[FILE], "not current: make docs"


def test_every_sample_is_an_event_that_the_service_accepts() -> None:
    """Each type has a class, and with the attributes of its sample ingest reads the same event."""
    by_type = classes(types)
    assert by_type.keys() == {declared.name for declared in CATALOGUE}
    for declared in CATALOGUE:
        event = by_type[declared.name](source="/samples", **declared.sample)
        parsed = ingest.parse(
            structured_bytes(to_cloud_event(event)),
            (("content-type", b"application/cloudevents+json"),),
            CATALOGUE,
            1_800_000_000_000,
        )
        assert isinstance(parsed, ParsedEvent)
        assert (parsed.type, parsed.id, dict(parsed.data)) == (
            declared.name,
            event.id,
            dict(declared.sample["data"]),
        )
        named = declared.sample.get("recipients") or [
            declared.sample["data"][rule.field] for rule in declared.audience if rule.field
        ]
        assert parsed.recipients == (tuple(named) or None), declared.name
        assert parsed.external_id == declared.sample.get("external_id")
        assert parsed.account == declared.sample.get("account")


def test_names_and_texts_of_any_kind_make_a_module() -> None:
    """Keywords, names of imports, quotes, line breaks and fields that are no identifiers."""
    meta = {
        "class": MetaField(),
        "two words": MetaField(type="list", required=False),
        'quo"te\\': MetaField(type="datetime", required=False),
    }
    text = 'It\'s """quoted""" \\\n\u2028 and ends in a quote"'
    module = generated(
        notification_type("sequence", title=text, description=text),
        notification_type("none", meta=meta),
        notification_type("event", meta={"list": MetaField(type="list", description=text)}),
        notification_type("typed_dict", meta={"note": MetaField(type="object", description=text)}),
    )

    assert classes(module).keys() == {"sequence", "none", "event", "typed_dict"}
    event = module.NoneEvent(source="/s", recipients=["alice"], data={"class": "x", "two words": []})
    assert json.loads(structured_bytes(to_cloud_event(event)))["data"] == {"class": "x", "two words": []}
    with pytest.raises(InvalidEvent) as refused:
        to_cloud_event(module.NoneEvent(source="/s", recipients=["alice"], data={}))
    assert refused.value.reason is Reason.invalid_data


def test_two_types_cannot_have_one_class() -> None:
    """The message names both."""
    with pytest.raises(ValueError, match="a1 and a_1"):
        generated(notification_type("a1"), notification_type("a_1"))
    with pytest.raises(ValueError, match="bid and bid_data"):
        generated(notification_type("bid"), notification_type("bid_data"))
