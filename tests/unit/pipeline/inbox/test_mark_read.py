"""Reading is told to Kafka, so that a rebuild knows it; what was not told may be asked for again."""

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

    def told(self) -> list[ReadMark]:
        assert {(m.topic, m.key) for m in self.publisher.messages} <= {("p.dispatch.outcomes", b"alice")}
        return [ReadMark.from_bytes(m.value or b"") for m in self.publisher.messages]


@pytest.fixture
def rig() -> Rig:
    return Rig()


async def test_only_the_recipient_s_own_entries_are_told(rig: Rig) -> None:
    """Ids that are another's or nobody's never come into the log."""
    await rig.fill("a", "b", "c")
    assert await rig.marks.mark("alice", ["a", "x", "b"]) == [True, None, True]
    assert rig.told() == [ReadMark("alice", ("a", "b"), 1000)]
    assert await rig.marks.mark("alice", ["x"]) == [None]
    assert len(rig.told()) == 1


async def test_a_telling_that_failed_is_made_good_by_asking_again(rig: Rig) -> None:
    """The caller got no answer; the entry is read already, and still it is told."""
    await rig.fill("a")
    rig.publisher.outage.reason = "away"
    with pytest.raises(Unavailable):
        await rig.marks.mark("alice", ["a"])
    rig.publisher.outage.reason = None
    assert await rig.marks.mark("alice", ["a"]) == [False]
    assert rig.told() == [ReadMark("alice", ("a",), 1000)]


async def test_marking_all_tells_each_entry(rig: Rig) -> None:
    """Of these types only, in records of a thousand at most; asked again, there is nothing to tell."""
    rig.inbox._cap = 5000
    await rig.fill(*(f"{n:04d}" for n in range(1500)))
    await rig.fill("other", kind="winner")
    assert await rig.marks.mark_all("alice", frozenset({"overbid"})) == 1500
    assert [len(mark.ids) for mark in rig.told()] == [1000, 500]
    assert await rig.marks.mark_all("alice", frozenset({"overbid"})) == 0
    assert len(rig.told()) == 2
    assert await rig.inbox.counts("alice") == {"winner": 1}


async def test_what_cannot_be_told_is_not_marked_as_a_whole(rig: Rig) -> None:
    """Once marked, the same request would find nothing to tell: so all is told before it is marked."""
    await rig.fill("a", "b")
    rig.publisher.outage.reason = "away"
    with pytest.raises(Unavailable):
        await rig.marks.mark_all("alice")
    assert await rig.inbox.counts("alice") == {"overbid": 2}


def test_the_two_kinds_of_records_are_told_apart() -> None:
    """Neither is read as the other; anything else is a ValueError, which readers pass over."""
    mark = ReadMark("alice", ("a",), 5)
    assert ReadMark.from_bytes(mark.to_bytes()) == mark
    for value in (mark.to_bytes(), b"{}", b"[]", b"1", b"x"):
        with pytest.raises(ValueError):  # noqa: PT011
            Outcome.from_bytes(value)
    for value in (b'{"state": "sent"}', b'{"kind": "read"}', b"[]", b"x"):
        with pytest.raises(ValueError):  # noqa: PT011
            ReadMark.from_bytes(value)
