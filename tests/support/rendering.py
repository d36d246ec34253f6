"""Deliveries and small template directories for the tests of rendering."""

import shutil
from collections.abc import Mapping
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

from service.adapters.templates import TemplateRenderer
from service.model.catalogue import Audience, AudienceRule, Catalogue, MetaField, NotificationType
from service.model.channels import Channel
from service.model.delivery import Delivery, json_document
from service.settings import MailSettings, TemplateSettings, templates_directory

NOTE = """\
{% block subject %}{{ data.title }}{% endblock %}
{% block preheader %}{{ data.title }} in short{% endblock %}
{% block text %}
{{ data.body }}
{% endblock %}
{% block html %}
<p>{{ data.body }}</p>
{{ button(link("notes", data.title), data.title) }}
{% endblock %}
{% block inbox %}{{ data.title }}{% endblock %}
"""
FIELDS = {
    "title": MetaField(),
    "body": MetaField(),
    "extra": MetaField(type="object", required=False),
    "at": MetaField(type="datetime", required=False),
    "amount": MetaField(type="number", required=False),
    "sender_id": MetaField(required=False),
}


def note_type(name: str = "note", **changes: Any) -> NotificationType:
    """Return a notification type with the fields of `NOTE`."""
    fields: dict[str, Any] = {
        "name": name,
        "domain": "test",
        "title": "A note",
        "description": "A note",
        "meta": FIELDS,
        "audience": (Audience(kind=AudienceRule.users),),
        "channels": (Channel.email, Channel.inbox),
        "sample": {"data": {"title": "Hello", "body": "World"}},
    }
    return NotificationType(**(fields | changes))


def template_directory(tmp_path: Path, templates: Mapping[str, str]) -> Path:
    """Return a new directory with the real layout and these templates (`note/en`)."""
    root = tmp_path / "templates"
    shutil.copytree(templates_directory() / "layout", root / "layout")
    for name, source in templates.items():
        path = root / f"{name}.j2"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source, "utf-8")
    return root


def make_renderer(
    tmp_path: Path, templates: Mapping[str, str] | None = None, **mail: Any
) -> TemplateRenderer:
    """Return a renderer of one type, `note`."""
    root = template_directory(tmp_path, templates or {"note/en": NOTE})
    return TemplateRenderer(
        MailSettings(**mail), TemplateSettings(directory=root), Catalogue({"note": note_type()})
    )


def make_delivery(data: Mapping[str, Any] | None = None, **changes: Any) -> Delivery:
    """Return a delivery of type `note` to Alice."""
    fields: dict[str, Any] = {
        "id": "0123456789abcdef01234567",
        "event": "e" * 24,
        "event_id": "1",
        "source": "/tests",
        "type": "note",
        "channel": Channel.email,
        "recipient": "alice",
        "rule": AudienceRule.users,
        "created_ms": 1_790_000_000_000,
        "received_ms": 1_790_000_000_000,
        "deadline_ms": 1_790_086_400_000,
        "address": "alice@example.com",
        "name": "Alice",
        "document": json_document({"title": "Hello", "body": "World"} | dict(data or {})),
    }
    return Delivery(**(fields | changes))


def parse_message(content: bytes) -> EmailMessage:
    """Return a message as the standard library parses it; assert that no part has a defect."""
    message = message_from_bytes(content, policy=policy.default)
    assert isinstance(message, EmailMessage)
    for part in message.walk():
        assert not part.defects
    return message


def bodies(message: EmailMessage) -> tuple[str, str]:
    """Return the text and the HTML part, decoded, with LF line ends."""
    parts = list(message.iter_parts())
    assert [part.get_content_type() for part in parts] == ["text/plain", "text/html"]
    text, html = (str(part.get_content()).replace("\r\n", "\n") for part in parts)
    return text, html
