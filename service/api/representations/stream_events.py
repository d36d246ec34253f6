"""The events of the live inbox, as models; `data` is JSON in the text of the event stream."""

from typing import Annotated, Literal

from pydantic import BaseModel, Field, Json, RootModel

from service.api.representations.schemas import Counts, Notification, NotificationIds


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
