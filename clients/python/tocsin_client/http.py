"""Publish over HTTP: `POST /v1/events`, with repeats where they have no second effect."""

import asyncio
import random
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import Any, Self

import httpx
from cloudevents.core.base import BaseCloudEvent

from tocsin_client.cloud_event import Mode, http_message, structured_bytes, to_cloud_event
from tocsin_client.errors import AccessDenied, InvalidEvent, Reason, RequestRefused, Unavailable
from tocsin_client.event import Event

_MAX_EVENTS, _MAX_BYTES = 500, 900 * 1024
_BATCH = "application/cloudevents-batch+json"
Answer = httpx.Response | httpx.TransportError


@dataclass(frozen=True, slots=True)
class Retries:
    """How often a request is made, and the pauses between: doubled each time, in seconds, with jitter of up to half.

    A `Retry-After` of the API is kept to, up to `longest_wait_s`; a longer one ends the attempts.
    """

    attempts: int = 5
    pause_s: float = 0.2
    longest_pause_s: float = 10.0
    longest_wait_s: float = 60.0


@dataclass(frozen=True, slots=True)
class _Request:
    """Headers and body. `first`: the place of its first event in the call."""

    headers: dict[str, str]
    body: bytes
    first: int


@dataclass(frozen=True, slots=True)
class _Exchange:
    """What is sent and when, without I/O: both publishers drive it."""

    mode: Mode = "structured"
    retries: Retries = field(default_factory=Retries)

    def steps(
        self, events: Sequence[Event | BaseCloudEvent]
    ) -> Generator[_Request | float, Answer | None, None]:
        """Yield requests, to be sent its answer, and pauses in seconds. Raise InvalidEvent or PublishError."""
        # Validate all events first: nothing is sent if one is refused.
        cloud_events = [to_cloud_event(event, index) for index, event in enumerate(events)]
        for request in self._requests(cloud_events):
            yield from self._attempts(request)

    def _requests(self, events: Sequence[BaseCloudEvent]) -> Iterator[_Request]:
        if len(events) == 1:
            message = http_message(events[0], self.mode)
            yield _Request(message.headers, message.body, 0)
            return
        batch: list[bytes] = []
        for index, value in enumerate(map(structured_bytes, events)):
            if batch and (len(batch) == _MAX_EVENTS or sum(map(len, batch)) + len(value) > _MAX_BYTES):
                yield _batch(batch, index - len(batch))
                batch = []
            batch.append(value)
        if batch:
            yield _batch(batch, len(events) - len(batch))

    def _attempts(self, request: _Request) -> Generator[_Request | float, Answer | None, None]:
        for attempt in range(self.retries.attempts):
            answer = yield request
            if isinstance(answer, httpx.Response) and not _is_temporary(answer.status_code):
                _check(answer, request.first)
                return
            pause_s = self._pause_s(attempt, answer)
            if attempt + 1 == self.retries.attempts or pause_s > self.retries.longest_wait_s:
                break
            yield pause_s
        detail = f"HTTP {answer.status_code}" if isinstance(answer, httpx.Response) else repr(answer)
        raise Unavailable(f"no acknowledgement; attempts: {attempt + 1}; the last: {detail}")

    def _pause_s(self, attempt: int, answer: Answer | None) -> float:
        after_s = _retry_after_s(answer.headers) if isinstance(answer, httpx.Response) else None
        if after_s is not None:
            return after_s
        pause_s = min(self.retries.pause_s * 2.0**attempt, self.retries.longest_pause_s)
        return pause_s * random.uniform(0.5, 1.0)


class HttpPublisher:
    """A `Publisher` over HTTP, within `async with`.

    `url`: of the API, as `https://tocsin.example`. `credential`: an API key or a JWT of the scope `events`, or a
    function that returns one. `client`: one of your own, which stays open.
    """

    def __init__(
        self,
        url: str,
        credential: str | Callable[[], str],
        *,
        mode: Mode = "structured",
        timeout_s: float = 10.0,
        retries: Retries | None = None,
        client: httpx.AsyncClient | None = None,
    ) -> None:
        self._url = _events_url(url)
        self._credential = credential
        self._exchange = _Exchange(mode, retries or Retries())
        self._own = client is None
        self._client = client or httpx.AsyncClient(timeout=timeout_s)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._own:
            await self._client.aclose()

    async def publish(self, *events: Event | BaseCloudEvent) -> None:
        """Return once all events are acknowledged; several are sent as batches.

        Raise InvalidEvent or PublishError. Batches before one that is refused are published.
        """
        steps = self._exchange.steps(events)
        answer: Answer | None = None
        while (step := _next(steps, answer)) is not None:
            answer = None
            if isinstance(step, float):
                await asyncio.sleep(step)
                continue
            try:
                headers = _headers(step, self._credential)
                answer = await self._client.post(self._url, content=step.body, headers=headers)
            except httpx.TransportError as error:
                answer = error


class SyncHttpPublisher:
    """The same for code without an event loop, within `with`."""

    def __init__(
        self,
        url: str,
        credential: str | Callable[[], str],
        *,
        mode: Mode = "structured",
        timeout_s: float = 10.0,
        retries: Retries | None = None,
        client: httpx.Client | None = None,
    ) -> None:
        self._url = _events_url(url)
        self._credential = credential
        self._exchange = _Exchange(mode, retries or Retries())
        self._own = client is None
        self._client = client or httpx.Client(timeout=timeout_s)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._own:
            self._client.close()

    def publish(self, *events: Event | BaseCloudEvent) -> None:
        """Return once all events are acknowledged, as HttpPublisher does."""
        steps = self._exchange.steps(events)
        answer: Answer | None = None
        while (step := _next(steps, answer)) is not None:
            answer = None
            if isinstance(step, float):
                time.sleep(step)
                continue
            try:
                headers = _headers(step, self._credential)
                answer = self._client.post(self._url, content=step.body, headers=headers)
            except httpx.TransportError as error:
                answer = error


def _next(
    steps: Generator[_Request | float, Answer | None, None], answer: Answer | None
) -> _Request | float | None:
    """Return the next step; None when all events are acknowledged."""
    try:
        return steps.send(answer)
    except StopIteration:
        return None


def _events_url(url: str) -> str:
    return f"{url.rstrip('/')}/v1/events"


def _headers(request: _Request, credential: str | Callable[[], str]) -> dict[str, str]:
    token = credential if isinstance(credential, str) else credential()
    return {**request.headers, "authorization": f"Bearer {token}"}


def _batch(values: Sequence[bytes], first: int) -> _Request:
    return _Request({"content-type": _BATCH}, b"[" + b",".join(values) + b"]", first)


def _is_temporary(status: int) -> bool:
    return status in (408, 429) or status >= 500


def _check(answer: httpx.Response, first: int) -> None:
    """Raise the error of an answer that is no acknowledgement. `first`: the place of the request's first event."""
    if answer.is_success:
        return
    problem = _problem(answer)
    detail = str(problem.get("detail") or answer.reason_phrase)
    if answer.status_code in (401, 403):
        raise AccessDenied(detail)
    reason, index = problem.get("reason"), problem.get("index", 0)
    if isinstance(reason, str):
        known = Reason(reason) if reason in Reason.__members__ else Reason.unprocessable  # of a later version
        raise InvalidEvent(known, detail, first + index if isinstance(index, int) else first)
    raise RequestRefused(answer.status_code, detail)


def _problem(answer: httpx.Response) -> dict[str, Any]:
    """Return the problem document of an answer (RFC 9457); empty where it is none."""
    try:
        document = answer.json()
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}


def _retry_after_s(headers: httpx.Headers) -> float | None:
    """Return the seconds of `Retry-After`, a number or a date (RFC 9110 section 10.2.3); None where it is neither."""
    text = headers.get("retry-after", "")
    if text.isdecimal():
        return float(text)
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - time.time())
    except ValueError:
        return None
