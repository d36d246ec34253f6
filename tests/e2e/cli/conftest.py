"""An instance of its own for each test, on the run's Kafka and Valkey."""

import pytest

from tests.e2e.cli.tocsin import Tocsin


@pytest.fixture
def tocsin(kafka: str, valkey_url: str) -> Tocsin:
    """Without topics."""
    return Tocsin(kafka, valkey_url)


@pytest.fixture
def ready(tocsin: Tocsin) -> Tocsin:
    """With all topics, and tables that are complete, if empty."""
    ended = tocsin.run("topics", "apply")
    assert ended.code == 0, ended.err
    return tocsin.mark_complete()
