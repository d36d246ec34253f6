"""While a server is away its client's log lines come once a minute each."""

import logging

from service.observability.log_dedup import LogDedup


def record(name: str, level: int, text: str, *args: object) -> logging.LogRecord:
    """A log record."""
    return logging.LogRecord(name, level, "f.py", 1, text, args, None)


def test_repeated_errors_of_these_loggers_are_capped() -> None:
    """Arguments make no difference; after a minute the line comes again and says how many were left out."""
    now = 0.0
    flood = LogDedup("aiokafka", now=lambda: now)
    passed = [
        flood.filter(record("aiokafka.conn", logging.ERROR, "node %s is away, 100%%", n)) for n in range(9)
    ]
    assert passed == [True] + [False] * 8
    now = 61.0
    again = record("aiokafka.conn", logging.ERROR, "node %s is away, 100%%", 3)
    assert flood.filter(again)
    assert again.getMessage() == "node 3 is away, 100% (and 8 more like it)"


def test_others_pass() -> None:
    """Other loggers, other lines, and what is no warning."""
    flood = LogDedup("aiokafka")
    for name, level, text in (
        ("aiokafkaesque", logging.ERROR, "a"),
        ("streams.consumer.batch", logging.ERROR, "a"),
        ("aiokafka", logging.INFO, "a"),
    ):
        assert all(flood.filter(record(name, level, text)) for _ in range(3))
    assert all(flood.filter(record("aiokafka.x", logging.ERROR, text)) for text in ("a", "b"))
