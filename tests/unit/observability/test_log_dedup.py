"""A library's repeated errors are logged once a minute each."""

import json
import logging

import pytest
import structlog

from service.observability import log_dedup
from service.observability.log_dedup import LogDedup
from service.observability.logs import configure


def record(name: str, level: int, text: str, *args: object) -> logging.LogRecord:
    """Return a log record of the standard library."""
    return logging.LogRecord(name, level, "f.py", 1, text, args, None)


def event(name: str, **fields: object) -> logging.LogRecord:
    """Return a log record as structlog passes it on: the message is the mapping of fields."""
    made = record(name, logging.WARNING, "")
    made.msg = fields  # type: ignore[assignment]
    return made


def test_repeated_errors_of_the_named_loggers_are_dropped() -> None:
    """Arguments make no difference; after a minute the line passes again with the number of lines dropped."""
    now = 0.0
    dedup = LogDedup("aiokafka", now=lambda: now)
    passed = [
        dedup.filter(record("aiokafka.conn", logging.ERROR, "node %s unreachable, 100%%", n))
        for n in range(9)
    ]
    assert passed == [True] + [False] * 8
    now = 61.0
    again = record("aiokafka.conn", logging.ERROR, "node %s unreachable, 100%%", 3)
    assert dedup.filter(again)
    assert again.getMessage() == "node 3 unreachable, 100% (and 8 more like it)"


def test_repeated_events_are_dropped_whatever_their_fields() -> None:
    """Events are equal by their name; after a minute the event passes with `dropped_repeats`, without a traceback."""
    now = 0.0
    dedup = LogDedup("streams", now=lambda: now)
    passed = [
        dedup.filter(event("streams.stage", event="consumer_failed", stage=n, timestamp=n)) for n in range(9)
    ]
    assert passed == [True] + [False] * 8
    assert dedup.filter(event("streams.stage", event="stage_resumed"))
    now = 61.0
    again = event("streams.stage", event="consumer_failed", stage=3, exception="Traceback …")
    assert dedup.filter(again)
    assert again.msg == {"event": "consumer_failed", "stage": 3, "dropped_repeats": 8}


def test_a_repeated_event_is_one_line_of_the_configured_log(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The filter reads what structlog hands to the standard library, whose format is structlog's own."""
    root, library = logging.getLogger(), logging.getLogger("aiokafka")
    handlers, level = root.handlers[:], root.level
    try:
        configure("INFO", "json")
        log = structlog.get_logger("aiokafka.conn")
        for node in range(3):
            log.warning("node_unreachable", node=node)
        monkeypatch.setattr(log_dedup, "_INTERVAL_S", 0.0)
        log.warning("node_unreachable", node=3)
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
        library.setLevel(logging.NOTSET)
        structlog.reset_defaults()
    first, last = (json.loads(line) for line in capsys.readouterr().err.splitlines())

    assert (first["event"], first["node"]) == ("node_unreachable", 0)
    assert (last["event"], last["node"], last["dropped_repeats"]) == ("node_unreachable", 3, 2)


def test_all_other_lines_pass() -> None:
    """Lines of other loggers, other lines of the same logger, and lines below WARNING."""
    dedup = LogDedup("aiokafka")
    for name, level, text in (
        ("aiokafkaesque", logging.ERROR, "a"),
        ("streams.consumer.batch", logging.ERROR, "a"),
        ("aiokafka", logging.INFO, "a"),
    ):
        assert all(dedup.filter(record(name, level, text)) for _ in range(3))
    assert all(dedup.filter(record("aiokafka.x", logging.ERROR, text)) for text in ("a", "b"))
