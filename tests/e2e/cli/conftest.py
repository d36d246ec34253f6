"""A Tocsin with its own prefixes for each test, on the Kafka and Valkey of the test run."""

import pytest

from tests.e2e.cli.tocsin import Tocsin


@pytest.fixture
def tocsin(kafka: str, valkey_url: str) -> Tocsin:
    """Return a Tocsin without topics."""
    return Tocsin(kafka, valkey_url)


@pytest.fixture
def ready(tocsin: Tocsin) -> Tocsin:
    """Return a Tocsin with all topics, and with empty tables that are marked complete."""
    result = tocsin.run("topics", "apply")
    assert result.code == 0, result.err
    return tocsin.mark_complete()
