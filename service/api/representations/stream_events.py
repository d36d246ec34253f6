"""The events of the live inbox: as models, and as the text of the event stream, in which `data` is JSON."""

from collections.abc import Iterable
from typing import Annotated, Any, Literal

import orjson
from pydantic import BaseModel, Field, Json, RootModel

from service.api.representations.entries import EntryFormat
from service.api.representations.schemas import Counts, Notification, NotificationIds
from service.ports import InboxChange, InboxChangeKind


class UnreadEntries(BaseModel):
    """All unread entries, oldest first."""

    data: list[Notification]


class NewNotification(BaseModel):
    """An entry that is new."""

    data: Notification


class SnapshotEvent(BaseModel):
    """The beginning of a stream, and a new beginning where the changes since then are no longer known."""

    event: Literal["snapshot"]
    id: str
    data: Json[UnreadEntries]


class NewEvent(BaseModel):
    """An entry came."""

    event: Literal["new"]
    id: str
    data: Json[NewNotification]


class ReadEvent(BaseModel):
    """Entries were marked as read."""

    event: Literal["read"]
    id: str
    data: Json[NotificationIds]


class RemovedEvent(BaseModel):
    """Entries were withdrawn or have expired."""

    event: Literal["removed"]
    id: str
    data: Json[NotificationIds]


class CountsEvent(BaseModel):
    """Unread entries by type, after a snapshot and after changes."""

    event: Literal["counts"]
    id: str
    data: Json[Counts]


_Event = SnapshotEvent | NewEvent | ReadEvent | RemovedEvent | CountsEvent


class InboxEvent(RootModel[_Event]):
    """An event of the stream. `data` is JSON on one line, of the schema in `contentSchema`."""

    root: Annotated[_Event, Field(discriminator="event")]


def changes_text(changes: Iterable[InboxChange], entry_format: EntryFormat) -> bytes:
    """Return changes as the text of events; of a new entry that is gone again, nothing."""
    return b"".join(_change_text(change, entry_format) for change in changes)


def event_text(name: str, data: Any, position: str) -> bytes:
    """Return an event as text (WHATWG HTML, 9.2.6); its id is the position of the stream after it."""
    return b"event: %b\nid: %b\ndata: %b\n\n" % (name.encode(), position.encode(), orjson.dumps(data))


def _change_text(change: InboxChange, entry_format: EntryFormat) -> bytes:
    if change.kind is InboxChangeKind.new:
        if change.item is None:
            return b""
        return event_text("new", {"data": entry_format.resource(change.item)}, change.position)
    identifiers = [{"type": "notifications", "id": entry} for entry in change.ids]
    return event_text(change.kind.value, {"data": identifiers}, change.position)
