"""Kafka's errors as sentences."""

import ssl

import pytest
from aiokafka.errors import (
    AuthenticationFailedError,
    KafkaConnectionError,
    SaslAuthenticationFailed,
    TopicAuthorizationFailedError,
    UnknownError,
)

from service.ports import Unavailable
from streams.kafka.connection import KafkaConnection
from streams.kafka.errors import kafka_errors, sentence

CONNECTION = KafkaConnection("k:9092")


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (KafkaConnectionError("x"), "Kafka at k:9092 does not answer"),
        (TimeoutError(), "Kafka at k:9092 does not answer in time"),
        (AuthenticationFailedError(), "Kafka at k:9092 refuses our credentials"),
        (SaslAuthenticationFailed(), "Kafka at k:9092 refuses our credentials"),
        (ssl.SSLCertVerificationError(), "Kafka at k:9092: its certificate is not trusted"),
        (ssl.SSLError(), "Kafka at k:9092 does not speak TLS"),
        (
            TopicAuthorizationFailedError("events"),
            "Kafka at k:9092 does not allow us this topic: TopicAuthorizationFailedError('events')",
        ),
        (UnknownError("{x}"), "Kafka at k:9092 failed: UnknownError('{x}')"),
        (ConnectionResetError(104, "reset"), "Kafka at k:9092 failed: ConnectionResetError(104, 'reset')"),
    ],
)
async def test_an_error_is_a_sentence_that_names_the_servers(error: Exception, text: str) -> None:
    """The most precise class wins; an error without a sentence is shown as it is."""
    assert sentence(CONNECTION, error) == text
    with pytest.raises(Unavailable) as raised:
        async with kafka_errors(CONNECTION):
            raise error
    assert raised.value.reason == text


async def test_errors_of_our_own_pass() -> None:
    """A bug is not an outage."""
    with pytest.raises(ZeroDivisionError):
        async with kafka_errors(CONNECTION):
            raise ZeroDivisionError
