"""What Redis says when it is away, in words that name no address and no secret."""

import ssl
from collections.abc import Iterator
from contextlib import contextmanager

from redis import exceptions as redis

from service.observability.metrics import REDIS_ERRORS
from service.ports import Unavailable

_BY_CLASS: tuple[tuple[type[BaseException], str], ...] = (  # the first that fits, so special ones come first
    (redis.AuthenticationError, "it refuses our credentials"),
    (redis.AuthorizationError, "it refuses our credentials"),
    (redis.NoPermissionError, "its access rules forbid a command that is needed"),
    (redis.BusyLoadingError, "it is loading its data"),
    (redis.MaxConnectionsError, "all connections are in use"),
    (redis.ReadOnlyError, "it is read-only"),
    (redis.OutOfMemoryError, "it is out of memory"),
    (redis.ClusterError, "the cluster is down"),
    (redis.TryAgainError, "the cluster is moving its slots"),
    (redis.AskError, "the cluster is moving its slots"),  # MovedError too
    (redis.RedisClusterException, "the cluster cannot be reached"),
    (redis.TimeoutError, "no answer in time"),
    (redis.ConnectionError, "cannot connect"),
    (TimeoutError, "no answer in time"),
    (OSError, "cannot connect"),
)
_BY_CODE = {  # codes for which redis-py has no class: the first word of the reply
    "MISCONF": "it cannot write to its disk",
    "NOREPLICAS": "it has too few replicas",
    "INCOMPLETE": "it is not complete: run `tocsin rebuild`",
    "BUSY": "it is busy with a script",
    "UNKILLABLE": "it is busy with a script",
}


def away(error: BaseException) -> str | None:
    """Why Redis is away; None when the error means something else."""
    if any(isinstance(cause, ssl.SSLError) for cause in (error, error.__cause__, error.__context__)):
        return "its certificate is not trusted, or it does not speak TLS"
    for kind, words in _BY_CLASS:
        if isinstance(error, kind):
            return words
    if isinstance(error, redis.ResponseError):
        return _BY_CODE.get(str(error).partition(" ")[0])
    return None


@contextmanager
def unavailable() -> Iterator[None]:
    """Within it, errors that mean that Redis is away become Unavailable; all others pass."""
    try:
        yield
    except (redis.RedisError, redis.RedisClusterException, OSError) as error:
        words = away(error)
        if words is None:
            raise
        REDIS_ERRORS.add((words,))
        raise Unavailable(f"redis: {words}") from error
