"""Reasons why Redis is unavailable, in words that contain no address and no secret."""

import ssl
from collections.abc import Iterator
from contextlib import contextmanager

from redis import exceptions as redis

from service.observability.metrics import REDIS_ERRORS
from service.ports import Unavailable

_BY_CLASS: tuple[tuple[type[BaseException], str], ...] = (  # the first that matches, so subclasses come first
    (redis.AuthenticationError, "auth_failed"),
    (redis.AuthorizationError, "auth_failed"),
    (redis.NoPermissionError, "permission_denied"),
    (redis.BusyLoadingError, "loading"),
    (redis.MaxConnectionsError, "connections_exhausted"),
    (redis.ReadOnlyError, "read_only"),
    (redis.OutOfMemoryError, "out_of_memory"),
    (redis.ClusterError, "cluster_down"),
    (redis.TryAgainError, "slots_moving"),
    (redis.AskError, "slots_moving"),  # MovedError too
    (redis.RedisClusterException, "cluster_unreachable"),
    (redis.TimeoutError, "timeout"),
    (redis.ConnectionError, "connection_failed"),
    (TimeoutError, "timeout"),
    (OSError, "connection_failed"),
)
_BY_CODE = {  # codes for which redis-py has no class: the first word of the reply
    "MISCONF": "disk_write_failed",
    "NOREPLICAS": "too_few_replicas",
    "INCOMPLETE": "incomplete",
    "BUSY": "script_busy",
    "UNKILLABLE": "script_busy",
}
_TEXT = {
    "auth_failed": "it refuses our credentials",
    "permission_denied": "its access rules forbid a command that is needed",
    "loading": "it is loading its data",
    "connections_exhausted": "all connections are in use",
    "read_only": "it is read-only",
    "out_of_memory": "it is out of memory",
    "cluster_down": "the cluster is down",
    "slots_moving": "the cluster is moving its slots",
    "cluster_unreachable": "the cluster cannot be reached",
    "timeout": "no answer in time",
    "connection_failed": "cannot connect",
    "disk_write_failed": "it cannot write to its disk",
    "too_few_replicas": "it has too few replicas",
    "incomplete": "it is not complete: run `tocsin rebuild`",
    "script_busy": "it is busy with a script",
    "tls_failed": "its certificate is not trusted, or it does not speak TLS",
}
"""The text of each reason, which is also the label `reason` of `tocsin_redis_errors_total`."""


def unavailable_reason(error: BaseException) -> str | None:
    """Return the reason why Redis is unavailable, a key of `_TEXT`; None when the error means something else."""
    if any(isinstance(cause, ssl.SSLError) for cause in (error, error.__cause__, error.__context__)):
        return "tls_failed"
    for error_class, reason in _BY_CLASS:
        if isinstance(error, error_class):
            return reason
    if isinstance(error, redis.ResponseError):
        return _BY_CODE.get(str(error).partition(" ")[0])
    return None


@contextmanager
def unavailable() -> Iterator[None]:
    """Raise Unavailable in place of errors that mean that Redis is unavailable; let all others pass."""
    try:
        yield
    except (redis.RedisError, redis.RedisClusterException, OSError) as error:
        reason = unavailable_reason(error)
        if reason is None:
            raise
        REDIS_ERRORS.add((reason,))
        raise Unavailable(f"redis: {_TEXT[reason]}") from error
