"""The text of an exception may quote personal data: no log has it, whichever library writes the line."""

import asyncio
import json
import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import structlog
from aiokafka.errors import KafkaConnectionError
from pydantic import BaseModel, Field

from service.observability.logs import configure
from service.ports import Unavailable

SECRET = "Erika Mustermann, lot 4711"


class Named(BaseModel):
    """A model whose errors quote the value."""

    name: int = Field(description="a number")


@pytest.fixture
def lines(capsys: pytest.CaptureFixture[str]) -> Iterator[Callable[[], list[dict[str, Any]]]]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield lambda: [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


def failing() -> None:
    try:
        Named.model_validate({"name": SECRET})
    except ValueError as error:
        raise RuntimeError(f"cannot show {SECRET}") from error


def caught() -> Exception:
    try:
        failing()
    except RuntimeError as error:
        return error
    raise AssertionError


async def _forgotten_task() -> None:
    async def fails() -> None:
        failing()

    task = asyncio.create_task(fails())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    del task


async def _failing_callback() -> None:
    asyncio.get_running_loop().call_soon(lambda _: failing(), SECRET)
    await asyncio.sleep(0.01)


LOGGED: dict[str, Callable[[], Any]] = {
    "structlog exception": lambda: structlog.get_logger("x").error("failed", exc_info=caught()),
    "structlog field": lambda: structlog.get_logger("x").error("failed", error=caught()),
    "logging exc_info": lambda: logging.getLogger("uvicorn.error").error("failed", exc_info=caught()),
    "logging argument": lambda: logging.getLogger("mode.worker").error("crashed: %r", caught()),
    "logging exception as message": lambda: logging.getLogger("uvicorn.error").error(caught()),
    "exception group": lambda: logging.getLogger("x").error(
        "failed", exc_info=ExceptionGroup(SECRET, [caught(), ValueError(SECRET)])
    ),
    "asyncio task": lambda: asyncio.run(_forgotten_task()),
    "asyncio callback": lambda: asyncio.run(_failing_callback()),
}


@pytest.mark.parametrize("how", LOGGED)
def test_no_text_of_an_exception_is_logged(lines: Callable[[], list[dict[str, Any]]], how: str) -> None:
    """The line has the type, and with a traceback the place."""
    configure("INFO", "json")
    LOGGED[how]()
    logged = lines()

    assert logged
    assert "Mustermann" not in str(logged)
    assert "4711" not in str(logged)
    assert "RuntimeError" in str(logged)
    if "exception" in logged[0]:
        assert "test_exception_text.py" in logged[0]["exception"]
        assert "in failing" in logged[0]["exception"]
        assert "ValidationError" in logged[0]["exception"]


def test_texts_that_name_servers_are_kept(lines: Callable[[], list[dict[str, Any]]]) -> None:
    """An operator must see which server refused, and what a port waits for."""
    configure("INFO", "json")
    log = logging.getLogger("x")
    log.error("one: %s", ConnectionRefusedError(111, "refused", "broker:9092"))
    log.error("two: %s", KafkaConnectionError("no broker at broker:9092"))
    log.error("three: %s", Unavailable("redis: loading"))

    assert [line["event"] for line in lines()] == [
        "one: ConnectionRefusedError: [Errno 111] refused: 'broker:9092'",
        "two: KafkaConnectionError: KafkaConnectionError: no broker at broker:9092",
        "three: Unavailable: redis: loading",
    ]
