"""Read and mark the inbox of a recipient with the generated client; URL and TOKEN say where.

Prints what it read as a line of JSON.
"""

import json
import os
from datetime import timedelta

from tocsin_client import AuthenticatedClient
from tocsin_client.api.health import get_readiness
from tocsin_client.api.inbox import get_counts, list_notifications, mark_notification_read
from tocsin_client.models import (
    Counts,
    JsonApiErrors,
    ListNotificationsFilterstatus,
    Notifications,
    Readiness,
)


def main() -> None:
    """Raise AssertionError where an answer is not of the type that the document has for it."""
    client = AuthenticatedClient(base_url=os.environ["URL"], token=os.environ["TOKEN"])
    ready = get_readiness.sync(client=client)
    assert isinstance(ready, Readiness), ready
    counts = get_counts.sync(client=client)
    assert isinstance(counts, Counts), counts
    unread = list_notifications.sync(client=client)
    assert isinstance(unread, Notifications), unread
    marked = mark_notification_read.sync_detailed(unread.data[0].id, client=client)
    everything = list_notifications.sync(client=client, filterstatus=ListNotificationsFilterstatus.ALL)
    assert isinstance(everything, Notifications), everything
    stranger = get_counts.sync(client=AuthenticatedClient(base_url=os.environ["URL"], token="x"))
    seen = {
        "ready": ready.status,
        "counts": {count.attributes.type_str: count.attributes.count for count in counts.data},
        "lots": [entry.attributes.meta["lot_id"] for entry in unread.data],
        "in UTC": unread.data[0].attributes.created_at.utcoffset() == timedelta(),
        "marked": marked.status_code,
        "read": [entry.attributes.read_at is not None for entry in everything.data],
        "refused": isinstance(stranger, JsonApiErrors) and stranger.errors[0].status,
    }
    print(json.dumps(seen))


if __name__ == "__main__":
    main()
