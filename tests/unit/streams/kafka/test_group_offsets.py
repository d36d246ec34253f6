"""Committed offsets while the group's coordinator is loading, moves, or does not exist yet."""

from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.errors import (
    GroupAuthorizationFailedError,
    GroupCoordinatorNotAvailableError,
    GroupLoadInProgressError,
    NotCoordinatorForGroupError,
)
from aiokafka.protocol.commit import OffsetFetchRequest, OffsetFetchResponse_v1, OffsetFetchResponse_v3
from aiokafka.structs import OffsetAndMetadata

from streams.kafka import group_offsets
from streams.kafka.group_offsets import committed_in, offsets_of_group, offsets_of_member

TP = TopicPartition("t", 0)
COMMITTED = {TP: OffsetAndMetadata(7, "id")}
ANSWER = OffsetFetchResponse_v3(0, [("t", [(0, 7, "id", 0), (1, -1, "", 0), (2, -1, "", 3)])], 0)


def refused(error: type[Any]) -> OffsetFetchResponse_v3:
    """Return how a broker refuses a whole request, from version 2 on."""
    return OffsetFetchResponse_v3(0, [], error.errno)


class Coordinator:
    """aiokafka's coordinator of a consumer, and its admin client, with these answers."""

    group_id = "g"

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)
        self.lookups = 0
        self.known = False

    async def ensure_coordinator_known(self) -> None:
        self.lookups += not self.known
        self.known = True

    def coordinator_dead(self) -> None:
        self.known = False

    async def find_coordinator(self, _: str) -> int:
        self.lookups += 1
        return 1

    async def _send_req(self, _: OffsetFetchRequest) -> Any:
        return self.answers.pop(0)

    async def _send_request(self, request: OffsetFetchRequest, _: int) -> Any:
        return await self._send_req(request)


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(group_offsets, "_RETRY_S", 0)


def test_an_answer_has_what_is_committed() -> None:
    """A partition without an offset, and one that does not exist, are not in it."""
    assert committed_in(ANSWER) == COMMITTED
    assert committed_in(OffsetFetchResponse_v1([("t", [(0, 7, "id", 0)])])) == COMMITTED


@pytest.mark.parametrize(
    "error", [GroupLoadInProgressError, NotCoordinatorForGroupError, GroupCoordinatorNotAvailableError]
)
async def test_a_coordinator_that_cannot_answer_yet_is_not_a_group_without_offsets(error: type[Any]) -> None:
    """Else a stage would begin at the beginning of its topics, and a rebuild would take nothing for finished."""
    coordinator = Coordinator(refused(error), refused(error), ANSWER)
    assert await offsets_of_member(coordinator, [TP]) == COMMITTED
    assert coordinator.lookups == (3 if error is NotCoordinatorForGroupError else 1)
    coordinator = Coordinator(refused(error), ANSWER)
    assert await offsets_of_group(coordinator, "g") == COMMITTED


async def test_a_group_that_may_not_be_read_is_an_error() -> None:
    """No retry helps."""
    with pytest.raises(GroupAuthorizationFailedError):
        await offsets_of_group(Coordinator(refused(GroupAuthorizationFailedError)), "g")
