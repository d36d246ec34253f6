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

    report = {"sender": sender, "status": "4.2.2", "address": "alice@example.com"}
    scored = await api.client.post(PATH, json=report, headers=headers)
    answer = await api.client.post(
        PATH,
        content=dsn("x@y.z"),
        params={"recipient": sender},
        headers=headers | {"Content-Type": "message/rfc822"},
    )

    assert scored.json() == {"what": "scored", "reason": "4"}
    assert (answer.status_code, answer.json()) == (200, {"what": "bounced", "reason": "5"})
    assert await email(pipeline) == ("bounced", "bounce_received")
    assert KEY in pipeline.tables.suppressions


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
