"""Log lines are JSON or readable, complete, and hold no address."""

import json
import logging
from collections.abc import Callable, Iterator

import pytest
import structlog

from service.observability.logs import configure


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
    """Both ways of logging give one JSON object a line, with what the context binds."""
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
    """Neither in the text, nor in fields at any depth, nor in an exception."""
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


def test_the_level_is_kept(lines: Callable[[], str]) -> None:
    """What is below the level is not logged."""
    configure("WARNING", "json")
    logging.getLogger("theirs").info("no")
    structlog.get_logger("ours").info("no")
    structlog.get_logger("ours").warning("yes")

    assert [json.loads(line)["event"] for line in lines().splitlines()] == ["yes"]
