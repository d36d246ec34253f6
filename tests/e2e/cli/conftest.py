"""A Tocsin with its own prefixes for each test, on the Kafka and Valkey of the test run."""

from collections.abc import Iterator, Sequence

import pytest

from tests.e2e.cli.tocsin import Tocsin
from tests.support.command_server import CommandServer


@pytest.fixture(scope="session")
def command(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sequence[str]]:
    """Yield the program `tocsin`, whose commands start at once."""
    with CommandServer(tmp_path_factory.mktemp("commands")) as server:
        yield (str(server.client),)


@pytest.fixture
def tocsin(kafka: str, valkey_url: str, command: Sequence[str]) -> Tocsin:
    """Return a Tocsin without topics."""
    return Tocsin(kafka, valkey_url, command=command)


@pytest.fixture
def ready(tocsin: Tocsin) -> Tocsin:
    """Return a Tocsin with all topics, and with empty tables that are marked complete."""
    result = tocsin.run("topics", "apply")
    assert result.code == 0, result.err
    return tocsin.mark_complete()
