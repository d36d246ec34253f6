"""`tocsin explain` as text: every delivery with its reason, readable at 80 columns."""

import io
from typing import Any

import pytest
from rich.console import Console

from service.cli import explain
from service.cli.support import output
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


def _printed(monkeypatch: pytest.MonkeyPatch, document: dict[str, Any]) -> list[str]:
    file = io.StringIO()
    console = Console(
        file=file, width=80, force_terminal=True, color_system=None, highlight=False, markup=False
    )
    monkeypatch.setattr(output, "console", lambda *, stderr=False: console)
    explain._print(document)
    return file.getvalue().splitlines()


@pytest.mark.parametrize("reason", [reason for reason in Reason if reason])
def test_the_reason_is_below_its_delivery(monkeypatch: pytest.MonkeyPatch, reason: Reason) -> None:
    """Code and sentence, with or without `reason_text` in the document; no line is longer than 80 columns."""
    reply = {"relay": "relay1", "reply": "550 5.1.1 no such mailbox here, and no other at this host either"}
    step = {"state": "bounced", "at_ms": AT_MS, "attempt": 1, "reason": reason.value, "detail": "", **reply}
    first = _delivery("alice", "bounced", reason, steps=[step], reason_text=reason.text)

    lines = _printed(monkeypatch, _document(first, _delivery("bob", "sent")))

    start = next(n for n, line in enumerate(lines) if line.startswith("  alice  email  bounced  2026-"))
    end = next(n for n, line in enumerate(lines) if line.startswith("  bob    email  sent     2026-"))
    assert f"{reason.value}: {reason.text}" in " ".join(" ".join(lines[start + 1 : end]).split())
    assert "550 5.1.1" in " ".join(lines[start + 1 : end])
    assert all(len(line) <= 80 for line in lines), lines


def test_current_blocks_and_missing_deliveries_are_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    """What would block the delivery now, and why another recipient got none."""
    stopped = {"suppressed": {"reason": "mailbox_full", "since_ms": AT_MS, "until_ms": AT_MS + 1}}
    off = {"on": False, "since_ms": AT_MS, "by": "alice"}
    delivery = _delivery(
        "alice", "deferred", Reason.mailbox_full, stopped=stopped, preference=off, next_ms=AT_MS
    )

    text = " ".join(" ".join(_printed(monkeypatch, _document(delivery))).split())

    assert (
        "current: suppressed since 2026-09-21T14:13:20.000Z until 2026-09-21T14:13:20.001Z: mailbox_full: "
        in text
    )
    assert "current: preference off since 2026-09-21T14:13:20.000Z by alice" in text
    assert "next attempt 2026-09-21T14:13:20.000Z" in text
    assert "zoe inbox not notified, not_in_audience: not named" in text
    assert (
        f"suppressed since 2026-09-21T14:13:20.000Z: mailbox_unknown: {Reason.mailbox_unknown.text}" in text
    )


def test_earlier_states_are_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each with its time, its reason, the relay and its reply, newest first, below the current state."""
    reply = {"relay": "main", "reply": "451 4.7.1 greylisted"}
    steps = [
        {"state": "sent", "at_ms": AT_MS, "attempt": 2, "reason": "", "detail": ""},
        {"state": "deferred", "at_ms": AT_MS, "attempt": 1, "reason": "greylisted", "detail": "", **reply},
        {"state": "queued", "at_ms": AT_MS, "attempt": 0, "reason": "", "detail": "a rule"},
    ]

    lines = _printed(monkeypatch, _document(_delivery("alice", "sent", steps=steps)))

    assert [line.strip() for line in lines if "before:" in line] == [
        "before: deferred 2026-09-21T14:13:20.000Z; greylisted; main 451 4.7.1",
        "before: queued 2026-09-21T14:13:20.000Z; a rule",
    ]


def test_an_event_without_deliveries(monkeypatch: pytest.MonkeyPatch) -> None:
    """The sums say so."""
    lines = _printed(monkeypatch, _document())

    assert "  0 deliveries to 0 recipients = 0 bounced" in lines
