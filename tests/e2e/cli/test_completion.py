"""Completion in a shell: names, states, reasons and topics at once; ids from the newest records; never an error."""

import subprocess

import pytest

from service.model.ids import delivery_id, event_key
from service.model.ledger import State
from service.model.outcome import Outcome
from service.model.record import Message
from service.model.topics import TopicNames
from tests.e2e.cli.test_publish_tail import _write
from tests.e2e.cli.tocsin import COMMAND, Tocsin
from tests.support.wait import until

KEY = event_key("/s", "order-1")


def _completed(tocsin: Tocsin, *words: str, **variables: str) -> tuple[list[str], str]:
    """Return what bash would offer for the last word, and what was printed on stderr."""
    environment = tocsin.environment | {
        "_TOCSIN_COMPLETE": "complete_bash",
        "COMP_WORDS": " ".join(("tocsin", *words)),
        "COMP_CWORD": str(len(words)),
        **variables,
    }
    result = subprocess.run(COMMAND, env=environment, capture_output=True, text=True, check=False, timeout=60)
    return result.stdout.split(), result.stderr


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (("dead-l",), {"dead-letters"}),
        (("tail", "--type", "overb"), {"overbid"}),
        (("tail", "--state", "b"), {"bounced"}),
        (("tail", "--reason", "mailbox_u"), {"mailbox_unknown"}),
        (("tail", "email.h"), {"email.high"}),
        (("dead-letters", "redrive", "--reason", "invalid_js"), {"invalid_json"}),
        (("types", "show", "winn"), {"winner"}),
    ],
)
def test_values_are_offered_without_a_server(words: tuple[str, ...], offered: set[str]) -> None:
    """From the catalogue and the closed sets."""
    values, errors = _completed(Tocsin("127.0.0.1:1", "redis://127.0.0.1:1"), *words)

    assert offered <= set(values)
    assert all(value.startswith(words[-1]) for value in values)
    assert errors == ""


def test_ids_are_those_of_the_newest_records(ready: Tocsin) -> None:
    """Events and recipients of outcomes; one that would control the terminal is not offered."""
    topic = TopicNames(ready.prefix).outcomes
    outcomes = [
        Outcome(delivery_id(KEY, name, "email"), KEY, "overbid", name, "email", State.sent, 1, event_id=event)
        for name, event in (("alice", "order-1"), ("bob", "order-2"), ("eve\x1b[31m", "other"))
    ]
    _write(ready, topic, *(Message(topic, b"k", outcome.to_bytes()) for outcome in outcomes))

    # what does not arrive in half a second is not offered: on a busy machine not at the first time
    assert until(lambda: set(_completed(ready, "explain", "--event", "order-")[0]) == {"order-1", "order-2"})
    assert until(lambda: set(_completed(ready, "explain", "--recipient", "")[0]) == {"alice", "bob"})


def test_without_kafka_nothing_is_offered_and_nothing_is_printed(free_port: int) -> None:
    """A consumer of its own would wait for minutes; the completion ends by its own timeout."""
    tocsin = Tocsin(f"127.0.0.1:{free_port}", "redis://127.0.0.1:1")

    assert _completed(tocsin, "explain", "--event", "") == ([], "")
