"""`tocsin explain` as text: every delivery with its reason, readable at 80 columns."""

import io
from typing import Any

import pytest
from rich.console import Console

from service.cli.support import explanation, output
from service.cli.support.explanation import ExplanationView
from service.cli.support.times import TimeFormat
from service.model.reasons import Reason

AT_MS = 1_790_000_000_000


def _delivery(recipient: str, state: str, reason: Reason = Reason.none, **changes: Any) -> dict[str, Any]:
    return {
        "recipient": recipient,
        "channel": "email",
        "delivery": "d",
        "found": "users",
        "scope": "",
        "state": state,
        "open": False,
        "reason": reason.value,
        "decided": "",
        "preference": None,
        "stopped": None,
        "attempts": 1,
        "next_ms": None,
        "digest": None,
        "items": [],
        "steps": [{"state": state, "at_ms": AT_MS, "attempt": 1, "reason": reason.value, "detail": ""}],
        **changes,
    }


def _document(*deliveries: dict[str, Any]) -> dict[str, Any]:
    head = {"key": "k1", "id": "1", "source": "/s", "type": "overbid", "time_ms": AT_MS, "received_ms": AT_MS}
    missing = {"recipient": "zoe", "channel": "inbox", "reason": "not_in_audience", "words": "not named"}
    return {
        "people": [
            {
                "recipient": "alice",
                "known": True,
                "address": "a•••@e•••.com",
                "roles": ["admin"],
                "preferences": {},
                "suppressed": {"reason": "mailbox_unknown", "since_ms": AT_MS},
                "unsubscribed": {},
            }
        ],
        "events": [
            {
                "event": head,
                "audience": [{"rule": "users", "named": 2}],
                "deliveries": list(deliveries),
                "not_made": [missing],
                "sums": {
                    "recipients": len(deliveries),
                    "resolved": len(deliveries),
                    "final": {"bounced": len(deliveries)},
                    "open": {},
                    "balanced": True,
                },
            }
        ],
    }


def _printed(
    monkeypatch: pytest.MonkeyPatch, document: dict[str, Any], *, utc: bool = True, width: int = 80
) -> list[str]:
    file = io.StringIO()
    console = Console(
        file=file, width=width, force_terminal=True, color_system=None, highlight=False, markup=False
    )
    for module in (output, explanation):
        monkeypatch.setattr(module, "console", lambda *, stderr=False: console)
    ExplanationView({"d": "a•••@e•••.com"}, TimeFormat(utc, AT_MS + 200_000)).print(document)
    return file.getvalue().splitlines()


@pytest.mark.parametrize("width", [60, 80])
@pytest.mark.parametrize("reason", [reason for reason in Reason if reason])
def test_the_reason_is_below_its_delivery(
    monkeypatch: pytest.MonkeyPatch, reason: Reason, width: int
) -> None:
    """Code, sentence and the relay's reply; no line is longer than the terminal is wide."""
    reply = {"relay": "relay1", "reply": "550 5.1.1 no such mailbox here, and no other at this host either"}
    step = {"state": "bounced", "at_ms": AT_MS, "attempt": 1, "reason": reason.value, "detail": "", **reply}
    first = _delivery("alice", "bounced", reason, steps=[step], reason_text=reason.text)

    lines = _printed(monkeypatch, _document(first, _delivery("bob", "sent")), utc=False, width=width)

    start = lines.index("  bounced  email  alice  a•••@e•••.com  3 min ago")
    end = lines.index("  sent     email  bob    a•••@e•••.com  3 min ago")
    text = " ".join(" ".join(lines[start + 1 : end]).split())
    assert f"{reason.value}: {reason.text} relay1: 550 5.1.1 no such mailbox here" in text
    assert all(len(line) <= width for line in lines), lines


def test_current_blocks_and_missing_deliveries_are_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    """What would block the delivery now, and why another recipient got none."""
    stopped = {"suppressed": {"reason": "mailbox_full", "since_ms": AT_MS, "until_ms": AT_MS + 1}}
    off = {"on": False, "since_ms": AT_MS, "by": "alice"}
    delivery = _delivery(
        "alice", "deferred", Reason.mailbox_full, stopped=stopped, preference=off, next_ms=AT_MS
    )

    text = " ".join(" ".join(_printed(monkeypatch, _document(delivery))).split())

    at = "2026-09-21T14:13:20.000Z"
    assert f"current: suppressed since {at}, until 2026-09-21T14:13:20.001Z: mailbox_full: " in text
    assert f"current: preference off since {at} by alice" in text
    assert f"next attempt {at}" in text
    assert "not notified: zoe by inbox, not_in_audience: not named" in text
    assert f"suppressed since {at}: mailbox_unknown: {Reason.mailbox_unknown.text}" in text


def test_earlier_states_are_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each with its age, its reason, the relay and its reply, newest first, below the current state."""
    reply = {"relay": "main", "reply": "451 4.7.1 greylisted"}
    steps = [
        {"state": "sent", "at_ms": AT_MS, "attempt": 2, "reason": "", "detail": ""},
        {"state": "deferred", "at_ms": AT_MS, "attempt": 1, "reason": "greylisted", "detail": "", **reply},
        {"state": "queued", "at_ms": AT_MS - 10_000_000, "attempt": 0, "reason": "", "detail": "a rule"},
    ]

    lines = _printed(monkeypatch, _document(_delivery("alice", "sent", steps=steps)), utc=False)

    begin = next(n for n, line in enumerate(lines) if line.startswith("  sent  email  alice"))
    assert lines[begin + 1 : begin + 4] == [
        "    rule users; 1 attempt",
        "      3 min ago  deferred  greylisted: main: 451 4.7.1 greylisted",
        "        2 h ago  queued    a rule",
    ]


def test_an_event_without_deliveries(monkeypatch: pytest.MonkeyPatch) -> None:
    """The sums say so."""
    lines = _printed(monkeypatch, _document())

    assert "  0 deliveries to 0 recipients = 0 bounced" in lines
