"""Reasons why Redis is unavailable, in words that contain no address and no secret."""

import re
import ssl

from redis import exceptions as redis

from service.ports import Unavailable


class NotUsable(redis.ConnectionError):
    """A server cannot be used, or a connection to it not any more; `reason` is a key of `_TEXT`.

    A ConnectionError, so that redis-py closes the connection and repeats the commands on a new one.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(_TEXT[reason])
        self.reason = reason


_BY_CLASS: tuple[tuple[type[BaseException], str], ...] = (  # the first that matches, so subclasses come first
    (redis.AuthenticationError, "auth_failed"),
    (redis.AuthorizationError, "auth_failed"),
    (redis.AuthenticationWrongNumberOfArgsError, "auth_failed"),
    (redis.ExternalAuthProviderError, "auth_failed"),
    (redis.NoPermissionError, "permission_denied"),
    (redis.BusyLoadingError, "loading"),
    (redis.MaxConnectionsError, "connections_exhausted"),
    (redis.ReadOnlyError, "read_only"),
    (redis.MasterDownError, "read_only"),  # a replica that has lost its primary
    (redis.OutOfMemoryError, "out_of_memory"),
    (redis.NoScriptError, "scripts_missing"),
    (redis.ClusterError, "cluster_down"),
    (redis.TryAgainError, "slots_moving"),
    (redis.AskError, "slots_moving"),  # MovedError too
    (redis.ClusterCrossSlotError, "data_error"),
    (redis.RedisClusterException, "cluster_unreachable"),
    (redis.InvalidResponse, "protocol_error"),
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
    "UNBLOCKED": "read_only",  # the server became a replica while a command waited
    # replies that are about a command and its data
    "WRONGTYPE": "data_error",
    "EXECABORT": "data_error",
}
_BY_NESTED_CODE = {  # codes for which redis-py has a class, where they are inside the text of another error
    **_BY_CODE,
    "READONLY": "read_only",
    "MASTERDOWN": "read_only",
    "LOADING": "loading",
    "OOM": "out_of_memory",
    "CLUSTERDOWN": "cluster_down",
    "NOPERM": "permission_denied",
    "NOAUTH": "auth_failed",
}
_NESTED_CODE = re.compile(rf"(?:^|: )-?({'|'.join(_BY_NESTED_CODE)})\b")
"""The code of an error that a command inside a script met, as servers before Redis 7 and proxies report it: `ERR Error
running script (…): @user_script:5: -OOM command not allowed …`."""
_FORBIDDEN = re.compile(r"the user executing the script can't", re.IGNORECASE)
"""Access rules that allow a script and forbid a command in it, before Redis 7.2."""
_DATA_ERROR = re.compile(
    r"user_script|script: |value is not|not a valid (float|integer)|syntax error|number of (arguments|args|keys)"
    r"|value is out of range|would overflow|exceeds (the )?maximum|invalid (expire|stream|cursor)|no such key",
    re.IGNORECASE,
)
"""Texts of the code ERR about a command and its data, or of a script that failed at its data."""
_STATE_ERROR = re.compile(r"DB index|protocol error", re.IGNORECASE)
"""Texts about the server that `_DATA_ERROR` would take for texts about data."""
_TEXT = {
    "auth_failed": "it refuses our credentials",
    "permission_denied": "its access rules forbid a command that is needed",
    "loading": "it is loading its data",
    "connections_exhausted": "all connections are in use",
    "read_only": "it is read-only",
    "out_of_memory": "it is out of memory",
    "scripts_missing": "it does not keep the scripts that it is given",
    "cluster_down": "the cluster is down",
    "slots_moving": "the cluster is moving its slots",
    "cluster_unreachable": "the cluster cannot be reached",
    "no_primary": "no sentinel knows a primary",
    "timeout": "no answer in time",
    "connection_failed": "cannot connect",
    "protocol_error": "it does not speak Redis' protocol",
    "disk_write_failed": "it cannot write to its disk",
    "too_few_replicas": "it has too few replicas",
    "incomplete": "it is not complete: run `tocsin rebuild`",
    "script_busy": "it is busy with a script",
    "server_error": "it refuses commands",
    "tls_failed": "its certificate is not trusted, or it does not speak TLS",
}
"""The text of each reason, which is also the label `reason` of `tocsin_redis_errors_total`."""


def unavailable_reason(error: BaseException) -> str | None:
    """Return the reason why Redis is unavailable, a key of `_TEXT`; None when the error is about a command's data.

    An error is about data only where that is certain: a record whose command met any other becomes no dead letter.
    """
    causes = (error, error.__cause__, error.__context__)
    if any(isinstance(cause, ssl.SSLError) for cause in causes):
        return "tls_failed"
    for cause in causes:
        if isinstance(cause, NotUsable):
            return cause.reason
    for error_class, reason in _BY_CLASS:
        if isinstance(error, error_class):
            return None if reason == "data_error" else reason
    if isinstance(error, redis.ResponseError):
        return _reason_of_reply(error)
    return None


def _count(reason: str) -> None:
    # imported here: a command that only reads starts faster without metrics
    from service.observability.metrics import REDIS_ERRORS  # noqa: PLC0415

    REDIS_ERRORS.add((reason,))


_NOT_LOCAL = re.compile(r"access a non local key in a cluster node", re.IGNORECASE)
"""A script met a key that has left the server with its slot."""


def _reason_of_reply(error: redis.ResponseError) -> str | None:
    """Return the reason by the code of an error reply; a code that is not known is the server's own trouble."""
    text = str(error)
    code = error.status_code or text.partition(" ")[0]
    if _NOT_LOCAL.search(text):
        return "slots_moving"
    nested = _NESTED_CODE.search(text)
    if reason := _BY_CODE.get(code) or (nested and _BY_NESTED_CODE[nested[1]]):
        return None if reason == "data_error" else reason
    if _FORBIDDEN.search(text):
        return "permission_denied"
    return None if _DATA_ERROR.search(text) and not _STATE_ERROR.search(text) else "server_error"


class unavailable:  # noqa: N801 - a context manager, named like contextlib's
    """Raise Unavailable instead of errors that mean that Redis is unavailable; let all others pass."""

    __slots__ = ()

    def __enter__(self) -> None:
        """Begin."""

    def __exit__(self, _class: object, error: BaseException | None, _traceback: object) -> None:
        """Raise Unavailable instead of the error, where it means that."""
        if isinstance(error, (redis.RedisError, redis.RedisClusterException, OSError)):
            reason = unavailable_reason(error)
            if reason is not None:
                _count(reason)
                raise Unavailable(f"redis: {_TEXT[reason]}") from error
