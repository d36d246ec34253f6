"""The test double validates as the publishers do."""

import pytest
from tocsin_client import InvalidEvent, Publisher, Unavailable
from tocsin_client.testing import RecordingPublisher
from tocsin_client.types import Overbid, Winner


async def test_it_records_by_type() -> None:
    """In the order of the calls."""
    recording = RecordingPublisher()
    publisher: Publisher = recording
    first, second = (Overbid(source="/s", recipients=["alice"], data={"lot_id": lot}) for lot in ("7", "8"))
    won = Winner(source="/s", recipients=["bob"], data={"lot_id": "7"})

    await publisher.publish(first, won)
    await publisher.publish(second)

    assert recording.published(Overbid) == [first, second]
    assert recording.published(Winner) == [won]
    assert recording.events == [first, won, second]


async def test_it_refuses_and_fails_as_the_others() -> None:
    """Nothing of that call is recorded; the next one works."""
    recording = RecordingPublisher()
    won = Winner(source="/s", recipients=["bob"], data={"lot_id": "7"})
    with pytest.raises(InvalidEvent):
        await recording.publish(won, Winner(source="", recipients=["bob"], data={"lot_id": "7"}))
    recording.fail_with(Unavailable("not now"))
    with pytest.raises(Unavailable):
        await recording.publish(won)
    assert not recording.events
    await recording.publish(won)
    assert recording.events == [won]
