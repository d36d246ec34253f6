"""Label values are closed sets of snake_case names, never sentences."""

import re
import ssl

import pytest
from redis import exceptions as redis

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
    reasons = {reason for _, reason in errors._BY_CLASS} | {*errors._BY_CODE.values(), "tls_failed"}

    assert reasons == set(errors._TEXT)
    assert all(re.fullmatch(r"[a-z_]+", reason) for reason in reasons)


def test_bounces_are_counted_by_result_and_reason() -> None:
    """The names that the dashboard groups by."""
    assert BOUNCES._labelnames == ("result", "reason")
