"""Log lines are JSON or readable text, complete, and without addresses."""

import json
import logging
from collections.abc import Callable, Iterator

import pytest
import structlog

from service.observability.logs import configure, route_to_stdlib


@pytest.fixture
def lines(capsys: pytest.CaptureFixture[str]) -> Iterator[Callable[[], str]]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield lambda: capsys.readouterr().err
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


def test_structlog_and_logging_end_up_in_the_same_json(lines: Callable[[], str]) -> None:
    """structlog and the standard library both write one JSON object a line, with the fields that the context binds."""
    configure("INFO", "json")
    structlog.contextvars.bind_contextvars(delivery="d1")
    structlog.get_logger("ours").info("sent", relay="r1")
    logging.getLogger("theirs").warning("paused: %s", "why", extra={"stage": "email"})

    ours, theirs = (json.loads(line) for line in lines().splitlines())

    assert (ours["event"], ours["relay"], ours["delivery"], ours["level"]) == ("sent", "r1", "d1", "info")
    assert (theirs["event"], theirs["stage"], theirs["delivery"]) == ("paused: why", "email", "d1")
    assert {"timestamp", "logger"} <= ours.keys() & theirs.keys()


@pytest.mark.parametrize("form", ["json", "console"])
def test_no_address_is_logged(lines: Callable[[], str], form: str) -> None:
    """No address is in the text, in a field at any depth, or in an exception."""
    configure("INFO", form)  # type: ignore[arg-type]
    logging.getLogger("theirs").error("to %s", "alice@example.com", extra={"to": ["alice@example.com"]})
    structlog.get_logger().info(
        "mail", to={"alice@example.com": object, "e": ValueError("alice@example.com")}
    )
    try:
        raise ValueError("alice@example.com is wrong")
    except ValueError:
        logging.getLogger("theirs").exception("failed")
        structlog.get_logger().exception("failed")

    logged = lines()
    assert "ValueError" in logged
    assert "alice" not in logged


def test_lines_below_the_level_are_dropped(lines: Callable[[], str]) -> None:
    """The configured level holds for structlog and for the standard library."""
    configure("WARNING", "json")
    logging.getLogger("theirs").info("no")
    structlog.get_logger("ours").info("no")
    structlog.get_logger("ours").warning("yes")

    assert [json.loads(line)["event"] for line in lines().splitlines()] == ["yes"]


def test_an_unconfigured_process_prints_no_log_lines(capsys: pytest.CaptureFixture[str]) -> None:
    """A CLI verb's stdout holds its results only; the standard library's handlers still receive the lines."""
    received: list[logging.LogRecord] = []
    handler = logging.Handler()
    handler.emit = received.append  # type: ignore[method-assign]
    logger = logging.getLogger("ours.verb")
    logger.addHandler(handler)
    logger.propagate = False
    try:
        route_to_stdlib()
        structlog.get_logger("ours.verb").warning("kafka_unavailable", broker="b")
    finally:
        logger.removeHandler(handler)
        logger.propagate = True
        structlog.reset_defaults()
    printed = capsys.readouterr()

    assert (printed.out, printed.err) == ("", "")
    assert [(r.msg["event"], r.msg["broker"]) for r in received] == [("kafka_unavailable", "b")]  # type: ignore[call-overload,index]
