"""The pages of the start page, over documents of the explainer."""

from typing import Any

from service.dev.start.pages import StartLinks, event_list, explanation_page, start_page
from tests.support.api_fixture import CATALOGUE

HOSTILE = '<img src=x onerror="alert(1)">'


def document(text: str) -> dict[str, Any]:
    """Return an event's document with this text in every field that comes from outside."""
    step = {
        "state": "sent",
        "at_ms": 1_790_000_000_000,
        "reason_text": text,
        "detail": text,
        "relay": text,
        "reply": text,
    }
    delivery = {
        "recipient": text,
        "channel": "email",
        "state": "sent",
        "open": False,
        "reason_text": text,
        "decided": text,
        "steps": [step, {**step, "state": "queued"}],
    }
    head = {"key": text, "type": text, "id": text, "source": text, "received_ms": 1_790_000_000_000}
    return {
        "event": head,
        "deliveries": [delivery],
        "not_made": [{"recipient": text, "why": text}],
    }


def test_hostile_text_stays_text() -> None:
    """No field of an event becomes markup, neither in the list nor in the explanation."""
    pages = (
        event_list([document(HOSTILE)], CATALOGUE),
        explanation_page({"events": [document(HOSTILE)]}, CATALOGUE),
        start_page(CATALOGUE, StartLinks(HOSTILE, HOSTILE, HOSTILE, HOSTILE), ""),
    )

    assert not [page for page in pages if "<img" in page]
    assert not [page for page in pages if "&lt;img" not in page]


def test_an_address_is_masked() -> None:
    """A relay's reply may quote the address."""
    page = explanation_page({"events": [document("550 alice@example.com unknown")]}, CATALOGUE)

    assert "a•••@e•••.com" in page


def test_steps_are_in_the_order_of_their_times() -> None:
    """The first is at the top."""
    page = explanation_page({"events": [document("x")]}, CATALOGUE)

    assert page.index("<strong>queued") < page.index("<strong>sent")


def test_every_type_can_be_published() -> None:
    """Without a mail catcher there is no link to it."""
    page = start_page(CATALOGUE, StartLinks("", "", "/metrics", "/p"), event_list([], CATALOGUE))

    assert page.count("<option") == len(CATALOGUE)
    assert "Caught mail" not in page
