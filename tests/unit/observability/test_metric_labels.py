"""Label values are closed sets of snake_case names, never sentences."""

import re
import ssl

import pytest
from redis import exceptions as redis
from redis._parsers.base import BaseParser

from service.adapters.redis import errors
from service.observability.metrics import BOUNCES, REDIS_ERRORS
from service.ports import Unavailable

FAILURES = (
    (redis.AuthenticationError("WRONGPASS"), "auth_failed", "it refuses our credentials"),
    (redis.ConnectionError("refused"), "connection_failed", "cannot connect"),
    (redis.TimeoutError("slow"), "timeout", "no answer in time"),
    (redis.ResponseError("MISCONF disk"), "disk_write_failed", "it cannot write to its disk"),
    (redis.ResponseError("INCOMPLETE no"), "incomplete", "it is not complete: run `tocsin rebuild`"),
    (ssl.SSLError("verify"), "tls_failed", "its certificate is not trusted, or it does not speak TLS"),
)


@pytest.mark.parametrize(("failure", "reason", "text"), FAILURES, ids=[reason for _, reason, _ in FAILURES])
def test_redis_errors_are_counted_by_reason(failure: Exception, reason: str, text: str) -> None:
    """The label is a name; the text for people is in the error."""
    before = REDIS_ERRORS.value(reason)
    with pytest.raises(Unavailable) as raised, errors.unavailable():
        raise failure

    assert raised.value.reason == f"redis: {text}"
    assert REDIS_ERRORS.value(reason) == before + 1


def test_every_reason_of_a_redis_error_has_a_name_and_a_text() -> None:
    """No reason is without a text, and none is left over."""
    listed = {reason for _, reason in errors._BY_CLASS} | {*errors._BY_CODE.values()}
    reasons = listed - {"data_error"} | {"tls_failed", "no_primary", "server_error"}

    assert reasons == set(errors._TEXT)
    assert all(re.fullmatch(r"[a-z_]+", reason) for reason in reasons)


ABOUT_THE_SERVER = (
    "LOADING Redis is loading the dataset in memory",
    "READONLY You can't write against a read only replica.",
    "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.",
    "UNBLOCKED force unblock from blocking operation, instance state changed (master -> replica?)",
    "NOREPLICAS Not enough good replicas to write.",
    "MISCONF Valkey is configured to save RDB snapshots, but it's currently unable to persist to disk.",
    "OOM command not allowed when used memory > 'maxmemory'.",
    "BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.",
    "UNKILLABLE Sorry the script already executed write commands against the dataset.",
    "NOSCRIPT No matching script.",
    "NOAUTH Authentication required.",
    "WRONGPASS invalid username-password pair or user is disabled.",
    "NOPERM this user has no permissions to run the 'evalsha' command",
    "CLUSTERDOWN The cluster is down",
    "TRYAGAIN Multiple keys request during rehashing of slot",
    "MOVED 3999 127.0.0.1:6381",
    "ASK 3999 127.0.0.1:6381",
    "NOTREADY a code that no version has yet",
    "ERR unknown command 'EVALSHA', with args beginning with: ",
    "ERR max number of clients reached",
    "ERR max number of clients + cluster connections reached",
    "ERR This instance has cluster support disabled",
    "ERR SELECT is not allowed in cluster mode",
    "ERR DB index is out of range",
    "ERR server is shutting down",
    "ERR Connection timed out",
    "upstream failure",
    "no upstream host",
)
"""Replies of servers and proxies about themselves: no record is to blame."""
ABOUT_DATA = (
    "WRONGTYPE Operation against a key holding the wrong kind of value",
    "CROSSSLOT Keys in request don't hash to the same slot",
    "ERR value is not an integer or out of range",
    "ERR user_script:12: Expected value but found invalid token at character 1 script: 5d1e, on @user_script:12.",
    "ERR user_script:3: bad connection string in a row script: 5d1e, on @user_script:3.",
    "ERR syntax error",
)


@pytest.mark.parametrize("reply", ABOUT_THE_SERVER)
def test_a_reply_about_the_server_means_unavailable(reply: str) -> None:
    """No record becomes a dead letter for the state of a server, of a version or proxy not known yet either."""
    with pytest.raises(Unavailable), errors.unavailable():
        raise BaseParser.parse_error(reply)


@pytest.mark.parametrize("reply", ABOUT_DATA)
def test_a_reply_about_data_is_not_hidden(reply: str) -> None:
    """The record that caused it is isolated; as unavailability it would stop its partition for ever."""
    error = BaseParser.parse_error(reply)
    with pytest.raises(type(error)), errors.unavailable():
        raise error


def test_bounces_are_counted_by_result_and_reason() -> None:
    """The names that the dashboard groups by."""
    assert BOUNCES._labelnames == ("result", "reason")
