"""The embedded stack of `tocsin dev`."""

from pathlib import Path

import pytest

from service.dev.ports import free_port
from service.dev.sample_run import follow, publish_samples, relay_replies
from service.dev.stack import DevStack
from service.model.ledger import State
from service.settings import DevSettings, HttpSettings, Settings


def stack_in(folder: Path) -> DevStack:
    names = ("kafka_port", "redis_port", "smtp_port", "mail_port", "http_port")
    ports = {name: free_port() for name in names}
    http = HttpSettings(port=ports["http_port"], metrics_port=0)
    return DevStack(Settings(mode="dev", dev=DevSettings(**ports), http=http), folder, print)


@pytest.mark.timeout(240)
async def test_the_stack_starts_again_on_its_data(tmp_path: Path) -> None:
    """Redis is another server after each start, so what it may lack is read from Kafka; it has all that it had."""
    first = stack_in(tmp_path)
    try:
        parts = await first.start()
        results = await follow(parts, await publish_samples(parts), 60)
        assert all(result.finished for result in results)
        sent = {entry.delivery for result in results for entry in result.entries if entry.state is State.sent}
        replies = await relay_replies(parts, results)
        assert replies.keys() == sent
        assert {reply.partition(" ")[2] for reply in replies.values()} == {"250 2.0.0 Ok: caught"}
        before = await parts.table_counts()
    finally:
        await first.stop()
    second = stack_in(tmp_path)
    try:
        parts = await second.start()
        assert await parts.completeness.incomplete() is None
        assert await parts.table_counts() == before
    finally:
        await second.stop()
