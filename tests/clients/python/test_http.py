"""The publishers over HTTP: requests, batches, attempts, and the error of each answer; with and without a loop."""

import asyncio
import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import httpx
import pytest
from tocsin_client import (
    AccessDenied,
    Event,
    InvalidEvent,
    PublishError,
    Reason,
    RequestRefused,
    Unavailable,
)
from tocsin_client.http import HttpPublisher, Retries, SyncHttpPublisher
from tocsin_client.types import Winner

Answer = int | tuple[int, dict[str, Any]] | httpx.TransportError
Publish = Callable[..., list[httpx.Request]]
ACCEPTED = 202
AT_ONCE = Retries(attempts=3, pause_s=0.001)


def winner(number: int = 1, **data: Any) -> Winner:
    return Winner(id=str(number), source="/s", recipients=["alice"], data={"lot_id": "7", **data})


def transport(answers: Sequence[Answer], requests: list[httpx.Request]) -> httpx.MockTransport:
    """Return a transport that answers in turn, the last answer from then on, and records requests."""

    def answer(request: httpx.Request) -> httpx.Response:
        requests.append(request)
        match answers[min(len(requests), len(answers)) - 1]:
            case httpx.TransportError() as error:
                raise error
            case int() as status:
                return httpx.Response(status)
            case status, problem:
                headers = {"retry-after": str(problem.pop("retry_after"))} if "retry_after" in problem else {}
                return httpx.Response(status, json=problem, headers=headers)

    return httpx.MockTransport(answer)


def publish_async(answers: Sequence[Answer], *events: Event, **options: Any) -> list[httpx.Request]:
    requests: list[httpx.Request] = []

    async def run() -> None:
        client = httpx.AsyncClient(transport=transport(answers, requests))
        async with HttpPublisher("https://t.test/", "key", client=client, **options) as publisher:
            await publisher.publish(*events)

    asyncio.run(run())
    return requests


def publish_sync(answers: Sequence[Answer], *events: Event, **options: Any) -> list[httpx.Request]:
    requests: list[httpx.Request] = []
    client = httpx.Client(transport=transport(answers, requests))
    with SyncHttpPublisher("https://t.test/", "key", client=client, **options) as publisher:
        publisher.publish(*events)
    return requests


@pytest.fixture(params=[publish_async, publish_sync])
def publish(request: pytest.FixtureRequest) -> Publish:
    publish: Publish = request.param
    return publish


def test_one_event_is_one_request(publish: Publish) -> None:
    """In structured mode, with the credential."""
    (request,) = publish([ACCEPTED], winner())

    assert str(request.url) == "https://t.test/v1/events"
    assert request.headers["content-type"] == "application/cloudevents+json"
    assert request.headers["authorization"] == "Bearer key"
    assert json.loads(request.content)["data"] == {"lot_id": "7"}


def test_binary_mode(publish: Publish) -> None:
    """Attributes are headers, percent-encoded."""
    (request,) = publish([ACCEPTED], winner(), mode="binary")

    assert (request.headers["ce-type"], request.content) == ("winner", b'{"lot_id": "7"}')


def test_several_events_are_batches(publish: Publish) -> None:
    """At most 500 events and 900 KiB each; nothing without events."""
    assert not publish([ACCEPTED])
    requests = publish([ACCEPTED], *map(winner, range(501)))
    assert [len(json.loads(request.content)) for request in requests] == [500, 1]
    assert {request.headers["content-type"] for request in requests} == {"application/cloudevents-batch+json"}
    large = [winner(number, text="x" * 200_000) for number in range(6)]
    assert [len(json.loads(r.content)) for r in publish([ACCEPTED], *large)] == [4, 2]


@pytest.mark.parametrize(
    "temporary", [503, 500, 429, 408, httpx.ConnectError("refused"), httpx.ReadTimeout("late")]
)
def test_what_is_temporary_is_repeated_with_the_same_id(publish: Publish, temporary: Answer) -> None:
    """The event may have been published before: the same id has no second effect."""
    requests = publish([temporary, temporary, ACCEPTED], winner(), retries=AT_ONCE)

    assert len(requests) == 3
    assert {json.loads(request.content)["id"] for request in requests} == {"1"}
    with pytest.raises(Unavailable, match="attempts: 3"):
        publish([temporary], winner(), retries=AT_ONCE)


def test_retry_after_is_kept_to(publish: Publish) -> None:
    """As a number or a date; one that is too long ends the attempts."""
    in_no_time = format_datetime(datetime.now(UTC) - timedelta(seconds=5), usegmt=True)
    for after in (0, in_no_time):
        slow = Retries(attempts=2, pause_s=60, longest_pause_s=60)
        assert len(publish([(429, {"retry_after": after}), ACCEPTED], winner(), retries=slow)) == 2
    with pytest.raises(Unavailable, match="attempts: 1; the last: HTTP 429"):
        publish([(429, {"retry_after": 3600})], winner())


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        ((401, {"detail": "A bearer token is required."}), AccessDenied),
        ((403, {"detail": "The scope events is required."}), AccessDenied),
        ((400, {"detail": "A batch must be a JSON array."}), RequestRefused),
        (404, RequestRefused),
        (302, RequestRefused),
    ],
)
def test_what_no_repeat_can_help_is_not_repeated(
    publish: Publish, answer: Answer, error: type[PublishError]
) -> None:
    """The error has the answer's detail."""
    with pytest.raises(error) as refused:
        publish([answer, ACCEPTED], winner())
    if isinstance(answer, tuple):
        assert answer[1]["detail"] in str(refused.value)


def test_a_refused_event_has_its_reason_and_place(publish: Publish) -> None:
    """The index in the batch, counted from the first event of the call."""
    with pytest.raises(InvalidEvent) as refused:
        publish([ACCEPTED, (422, {"reason": "unknown_type", "index": 1})], *map(winner, range(502)))
    assert (refused.value.reason, refused.value.index) == (Reason.unknown_type, 501)
    with pytest.raises(InvalidEvent) as refused:
        publish([(422, {"reason": "of a later version", "detail": "new"})], winner())
    assert (refused.value.reason, refused.value.detail) == (Reason.unprocessable, "new")


def test_nothing_is_sent_if_one_event_is_invalid(publish: Publish) -> None:
    """Validation comes before the first request."""
    requests: list[httpx.Request] = []
    with pytest.raises(InvalidEvent) as refused:
        requests = publish([ACCEPTED], *map(winner, range(600)), winner(1, bad=float("nan")))
    assert (refused.value.reason, refused.value.index, requests) == (Reason.not_a_number, 600, [])


def test_a_credential_may_be_a_function() -> None:
    """Called for each request, since tokens expire."""
    tokens = iter(("first", "second"))
    requests: list[httpx.Request] = []
    client = httpx.Client(transport=transport([503, ACCEPTED], requests))
    with SyncHttpPublisher(
        "https://t.test", lambda: next(tokens), client=client, retries=AT_ONCE
    ) as publisher:
        publisher.publish(winner())
    assert [request.headers["authorization"] for request in requests] == ["Bearer first", "Bearer second"]
