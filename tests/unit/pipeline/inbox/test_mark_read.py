"""Read marks are published, so that a rebuild has them; a call whose publication failed may be repeated."""

import pytest

from service.model.outcome import Outcome, ReadMark
from service.model.topics import TopicNames
from service.pipeline.inbox.mark_read import ReadMarker
from service.ports import InboxItem, Unavailable
from tests.fakes.clock import FakeClock
from tests.fakes.inbox import FakeInbox
from tests.fakes.publisher import FakePublisher


class Rig:
    def __init__(self) -> None:
        self.clock, self.publisher = FakeClock(1000), FakePublisher()
        self.inbox = FakeInbox(self.clock)
        self.marks = ReadMarker(self.inbox, self.inbox, self.publisher, TopicNames("p."), self.clock)

    async def fill(self, *ids: str, kind: str = "overbid") -> None:
        await self.inbox.add([InboxItem(i, "alice", kind, 6, 1, {}) for i in ids])

    def published(self) -> list[ReadMark]:
        assert {(m.topic, m.key) for m in self.publisher.messages} <= {("p.dispatch.outcomes", b"alice")}
        return [ReadMark.from_bytes(m.value or b"") for m in self.publisher.messages]


@pytest.fixture
def rig() -> Rig:
    return Rig()


async def test_only_the_recipient_s_own_entries_are_published(rig: Rig) -> None:
    """Ids of other recipients, and unknown ids, never get into the log."""
    await rig.fill("a", "b", "c")
    assert await rig.marks.mark("alice", ["a", "x", "b"]) == [True, None, True]
    assert rig.published() == [ReadMark("alice", ("a", "b"), 1000)]
    assert await rig.marks.mark("alice", ["x"]) == [None]
    assert len(rig.published()) == 1


async def test_a_publication_that_failed_is_made_up_for_by_a_repeated_call(rig: Rig) -> None:
    """The caller got an error; the entry is read already, and still it is published."""
    await rig.fill("a")
    rig.publisher.outage.reason = "unavailable"
    with pytest.raises(Unavailable):
        await rig.marks.mark("alice", ["a"])
    rig.publisher.outage.reason = None
    assert await rig.marks.mark("alice", ["a"]) == [False]
    assert rig.published() == [ReadMark("alice", ("a",), 1000)]


async def test_marking_all_publishes_each_entry(rig: Rig) -> None:
    """Entries of these types are in records of a thousand at most; a repeated call has nothing to publish."""
    rig.inbox._cap = 5000
    await rig.fill(*(f"{n:04d}" for n in range(1500)))
    await rig.fill("other", kind="winner")
    assert await rig.marks.mark_all("alice", frozenset({"overbid"})) == 1500
    assert [len(mark.ids) for mark in rig.published()] == [1000, 500]
    assert await rig.marks.mark_all("alice", frozenset({"overbid"})) == 0
    assert len(rig.published()) == 2
    assert await rig.inbox.counts("alice") == {"winner": 1}


async def test_what_cannot_be_published_is_not_marked(rig: Rig) -> None:
    """Once marked, a repeated call would find nothing unread: so entries are published before they are marked."""
    await rig.fill("a", "b")
    rig.publisher.outage.reason = "unavailable"
    with pytest.raises(Unavailable):
        await rig.marks.mark_all("alice")
    assert await rig.inbox.counts("alice") == {"overbid": 2}


def test_the_two_kinds_of_records_are_distinguished() -> None:
    """Neither is read as the other; anything else is a ValueError, which readers skip."""
    mark = ReadMark("alice", ("a",), 5)
    assert ReadMark.from_bytes(mark.to_bytes()) == mark
    for value in (mark.to_bytes(), b"{}", b"[]", b"1", b"x"):
        with pytest.raises(ValueError):  # noqa: PT011
            Outcome.from_bytes(value)
    for value in (b'{"state": "sent"}', b'{"kind": "read"}', b"[]", b"x"):
        with pytest.raises(ValueError):  # noqa: PT011
            ReadMark.from_bytes(value)
