"""Diagnosis of a failed connection: aiokafka's clients report only that they could not connect, so one is made here."""

import asyncio
import ssl
from collections.abc import Mapping
from typing import Any

from aiokafka.conn import AIOKafkaConnection, collect_hosts
from aiokafka.errors import (
    AuthenticationFailedError,
    KafkaConnectionError,
    KafkaError,
    SaslAuthenticationFailed,
)

from streams.kafka.connection import KafkaConnection
from streams.kafka.errors import sentence

_TIMEOUT_S = 5.0
_REFUSALS = (
    ssl.SSLCertVerificationError,
    ssl.SSLError,
    AuthenticationFailedError,
    SaslAuthenticationFailed,
)
"""Errors of a server that answers and lets no connection be made, the most precise first."""


async def diagnose(connection: KafkaConnection, error: BaseException) -> str:
    """Return an error as a sentence for readiness.

    Where no connection could be made, connect to the servers in turn, 5 s each, until one says why it refuses.
    """
    if isinstance(error, KafkaConnectionError):
        for host, port, _ in collect_hosts(connection.bootstrap):
            refusal = await _refusal(host, port, connection.security)
            if refusal is not None:
                return sentence(connection, refusal)
    return sentence(connection, error)


async def _refusal(host: str, port: int, security: Mapping[str, Any]) -> BaseException | None:
    """Return the error with which a server refuses a connection; None when it accepts one or does not answer."""
    conn = AIOKafkaConnection(host, port, request_timeout_ms=int(_TIMEOUT_S * 1000), **security)
    try:
        async with asyncio.timeout(_TIMEOUT_S):
            await conn.connect()
    except (KafkaError, OSError, TimeoutError) as error:
        causes = (error, error.__cause__, error.__context__)
        return next((cause for kind in _REFUSALS for cause in causes if isinstance(cause, kind)), None)
    finally:
        conn.close()
    return None
