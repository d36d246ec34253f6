"""What-if as a form: predictions with addresses masked, and forms that are wrong."""

from dataclasses import replace

import httpx
import orjson
import pytest

from service.model.recipient import Recipient
from service.pipeline.email.allowances import NO_LIMIT, Allowances
from service.pipeline.operate.what_if import WhatIf
from tests.fakes.mail_limits import FakeMailLimits
from tests.fakes.record_log import FakeRecordLog
from tests.support.api_fixture import ApiFixture
from tests.unit.console.conftest import SAME_ORIGIN, current, signed_in

_EVENT = {"id": "1", "source": "/x", "type": "overbid", "recipients": ["alice"], "data": {"lot_id": "7"}}


class _Events:
    """The EventLog port over what was published."""

    def __init__(self, log: FakeRecordLog) -> None:
        self._log = log

    def since(self, since_ms: int):  # type: ignore[no-untyped-def]
        return self._log.since(["events"], since_ms)


@pytest.fixture(autouse=True)
async def alice(api: ApiFixture) -> None:
    """Put a recipient into the tables, and predictions into the API."""
    deps = api.deps
    log = FakeRecordLog(api.publisher.records)
    allowances = Allowances(deps.catalogue, FakeMailLimits(), NO_LIMIT)
    events = _Events(log)
    what_if = WhatIf(deps.catalogue, api.tables, deps.inbox, events, allowances=allowances, clock=api.clock)
    api.app.state.deps = replace(deps, what_if=what_if)
    await deps.writer.recipient("alice", lambda _: Recipient(id="alice", address="alice@example.com"))
    signed_in(api, "viewer")


async def post(api: ApiFixture, *, part: bool = True, **fields: str) -> httpx.Response:
    session = current(api)
    assert session is not None
    headers = {**SAME_ORIGIN, **({"HX-Request": "true"} if part else {})}
    response: httpx.Response = await api.client.post(
        "/console/what-if", data={"csrf": session.token, **fields}, headers=headers
    )
    return response


async def test_an_event(api: ApiFixture) -> None:
    """Whom it would notify, as a part of the page or, without a script, as a whole one; nothing is published."""
    before = len(api.publisher.messages)
    for part in (True, False):
        response = await post(api, part=part, kind="event", event=orjson.dumps(_EVENT).decode())
        assert response.status_code == 200
        assert "2 deliveries" in response.text
        assert "a•••@e•••.com" in response.text
        assert "alice@example.com" not in response.text
        assert response.text.startswith("<!doctype html>") is not part
    assert len(api.publisher.messages) == before


async def test_a_change(api: ApiFixture) -> None:
    response = await post(api, kind="change", recipient="alice", type="overbid", channel="email", days="1")
    assert response.status_code == 200
    assert "of 0 events" in response.text


@pytest.mark.parametrize(
    ("form", "words"),
    [
        ({"kind": "event", "event": "{"}, "invalid_json"),
        ({"kind": "event", "event": "{}"}, "missing_attribute"),
        ({"kind": "event"}, "empty"),
        ({"kind": "change", "recipient": "", "type": "overbid", "channel": "email"}, "recipient"),
        ({"kind": "change", "recipient": "alice", "type": "overbid", "channel": "fax"}, "channel"),
        (
            {"kind": "change", "recipient": "alice", "type": "overbid", "channel": "email", "days": "x"},
            "days",
        ),
        (
            {"kind": "change", "recipient": "alice", "type": "overbid", "channel": "email", "days": "99"},
            "days",
        ),
    ],
)
async def test_what_is_wrong_is_said(api: ApiFixture, form: dict[str, str], words: str) -> None:
    """Beside the form, with what was typed in it."""
    response = await post(api, part=False, **form)
    assert response.status_code == 422
    assert words in response.text
    assert form.get("recipient", "") in response.text
