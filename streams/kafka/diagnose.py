"""Why Kafka lets nobody in: its clients only say that they could not connect, so one connection is tried by hand."""

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

_SECONDS = 5.0
_WORDS: Mapping[type[BaseException], str] = {
    ssl.SSLCertVerificationError: "its certificate is not trusted",
    ssl.SSLError: "it does not speak TLS",
    AuthenticationFailedError: "it refuses our credentials",
    SaslAuthenticationFailed: "it refuses our credentials",
}


async def diagnose(connection: KafkaConnection, error: BaseException) -> str:
    """`error` in words for readiness: where it is a failed connection, what the first server that answers says."""
    if isinstance(error, KafkaConnectionError):
        for host, port, _ in collect_hosts(connection.bootstrap):
            if words := await _asked(host, port, connection.security):
                return f"Kafka: {words}"
        return f"Kafka: no answer at {connection.bootstrap}"
    return f"Kafka: {error!r}"


async def _asked(host: str, port: int, arguments: Mapping[str, Any]) -> str | None:
    conn = AIOKafkaConnection(host, port, request_timeout_ms=int(_SECONDS * 1000), **arguments)
    try:
        async with asyncio.timeout(_SECONDS):
            await conn.connect()
    except (KafkaError, OSError, TimeoutError) as refused:
        causes = (refused, refused.__cause__, refused.__context__)
        return next((w for kind, w in _WORDS.items() if any(isinstance(c, kind) for c in causes)), None)
    finally:
        conn.close()
    return None
