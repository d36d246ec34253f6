"""Why Kafka lets nobody in: its clients only say that they could not connect, so one connection is tried by hand."""

import asyncio
import ssl
from collections.abc import Mapping

from aiokafka.conn import collect_hosts, create_conn
from aiokafka.errors import AuthenticationFailedError, KafkaConnectionError, KafkaError

from streams.connection import KafkaConnection

_SECONDS = 5.0
_WORDS: Mapping[type[BaseException], str] = {
    ssl.SSLCertVerificationError: "its certificate is not trusted",
    ssl.SSLError: "it does not speak TLS",
    AuthenticationFailedError: "it refuses our credentials",
}


async def refusal(connection: KafkaConnection, error: BaseException) -> str:
    """`error` in words for readiness: where it is a failed connection, what the first server that answers says."""
    if isinstance(error, KafkaConnectionError):
        arguments = dict(connection.security)
        for host, port, _ in collect_hosts(connection.bootstrap):
            if words := await _asked(host, port, arguments):
                return f"Kafka: {words}"
        return f"Kafka: no answer at {connection.bootstrap}"
    return f"Kafka: {error!r}"


async def _asked(host: str, port: int, arguments: dict[str, object]) -> str | None:
    try:
        async with asyncio.timeout(_SECONDS):
            conn = await create_conn(host, port, request_timeout_ms=int(_SECONDS * 1000), **arguments)
        conn.close()
    except (KafkaError, OSError, TimeoutError) as refused:
        causes = (refused, refused.__cause__, refused.__context__)
        return next((w for kind, w in _WORDS.items() if any(isinstance(c, kind) for c in causes)), None)
    return None
