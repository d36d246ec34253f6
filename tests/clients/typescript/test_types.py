"""Typed events in TypeScript: the shipped module is the generator's; tests/interop compiles any other."""

import pytest

from service.adapters.catalogue_file import load_catalogue
from service.cli.develop.sdk import LANGUAGES, describe
from service.cli.develop.sdk.typescript import FILE
from service.model.catalogue import Audience, AudienceRule, NotificationType
from service.model.channels import Channel
from service.settings import templates_directory
from tests.support.paths import ROOT

SHIPPED = ROOT / "clients" / "typescript" / "src" / FILE


def test_the_shipped_module_is_current() -> None:
    """`make docs` writes it, of the shipped catalogue."""
    types = describe(load_catalogue(templates_directory()))

    assert SHIPPED.read_text() == LANGUAGES["typescript"](types)[FILE], "not current: make docs"


def test_no_class_hides_what_the_module_uses() -> None:
    """Names of imports and of the language are avoided; two types cannot have one class."""

    def generated(*names: str) -> str:
        values = {
            "domain": "own",
            "channels": (Channel.inbox,),
            "audience": (Audience(kind=AudienceRule.users),),
        }
        declared = [
            NotificationType.model_validate({**values, "name": n, "title": n, "description": n})
            for n in names
        ]
        return LANGUAGES["typescript"](describe(declared))[FILE]

    for name, used in (
        ("event", "Event"),
        ("event_type", "EventType"),
        ("date", "Date"),
        ("record", "Record"),
    ):
        assert f"export class {used}Event extends Event<{used}EventData>" in generated(name)
    with pytest.raises(ValueError, match="a1 and a_1"):
        generated("a1", "a_1")
