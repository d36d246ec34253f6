"""POST /v1/bounces."""

from dataclasses import replace

import pytest

from tests.support.api_fixture import ApiFixture
from tests.support.bounce_messages import dsn
from tests.unit.pipeline.bounces.test_process import KEY, bounces_of, email, sent

PATH = "/v1/bounces"


async def test_a_message_and_a_json_report(api: ApiFixture) -> None:
    """A whole message and a JSON report are both processed for a caller with the scope operate."""
    pipeline, bounces, sender = await sent()
    api.app.state.deps = replace(api.deps, bounces=bounces)
    headers = api.bearer("ops", "operate")

    report = {"sender": sender, "status": "4.2.2", "action": "delayed", "address": "alice@example.com"}
    delayed = await api.client.post(PATH, json=report, headers=headers)
    answer = await api.client.post(
        PATH,
        content=dsn("x@y.z"),
        params={"recipient": sender},
        headers=headers | {"Content-Type": "message/rfc822"},
    )

    assert delayed.json() == {"what": "dropped", "reason": "delayed"}
    assert (answer.status_code, answer.json()) == (200, {"what": "bounced", "reason": "mailbox_unknown"})
    assert await email(pipeline) == ("bounced", "bounce_received")
    assert KEY in pipeline.tables.suppressions


async def test_what_a_report_says(api: ApiFixture) -> None:
    """`failed` is final with any status; a complaint; words that say nothing are recorded."""
    headers = api.bearer("ops", "operate")
    for report, effect in [
        ({"action": "failed", "status": "4.4.7"}, ("bounced", "expired_in_transit")),
        ({"status": "5.1.1", "detail": "550 5.1.1 user unknown"}, ("bounced", "mailbox_unknown")),
        ({"detail": "no idea"}, ("returned", "")),
        ({"kind": "complaint"}, ("complained", "")),
    ]:
        _, bounces, sender = await sent()
        api.app.state.deps = replace(api.deps, bounces=bounces)
        answer = await api.client.post(PATH, json=report | {"sender": sender}, headers=headers)
        assert tuple(answer.json().values()) == effect


@pytest.mark.parametrize(
    ("content", "media_type", "status"),
    [
        (b"{", "application/json", 400),
        (b"{}", "application/json", 422),
        (b'{"sender": "x", "status": "9"}', "application/json", 422),
        (b"x", "text/plain", 415),
    ],
)
async def test_invalid_reports(api: ApiFixture, content: bytes, media_type: str, status: int) -> None:
    """An invalid body or media type is refused with its own status."""
    pipeline, _, _ = await sent()
    api.app.state.deps = replace(api.deps, bounces=bounces_of(pipeline))
    headers = api.bearer("ops", "operate") | {"Content-Type": media_type}

    assert (await api.client.post(PATH, content=content, headers=headers)).status_code == status


async def test_untrusted_reports_are_dropped(api: ApiFixture) -> None:
    """A report with a bad signature is dropped with its reason; without a bounce domain the route is 404."""
    headers = api.bearer("ops", "operate")
    assert (await api.client.post(PATH, json={"sender": "x"}, headers=headers)).status_code == 404
    pipeline, _, _ = await sent()
    api.app.state.deps = replace(api.deps, bounces=bounces_of(pipeline))

    answer = await api.client.post(PATH, json={"sender": "b-x@bounces.tocsin.test"}, headers=headers)

    assert answer.json() == {"what": "dropped", "reason": "bad_signature"}
