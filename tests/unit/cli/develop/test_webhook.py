"""Webhooks: the signature of the Standard Webhooks specification, and posts to a real server."""

import base64
import hashlib
import hmac

import pytest

from service.cli.develop.webhook import Endpoint, new_secret, secret_key, signed_headers


def test_the_signature_of_the_specification() -> None:
    """The example of the Standard Webhooks reference libraries."""
    key = secret_key("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")

    headers = signed_headers(key, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, b'{"test": 2432232314}')

    assert headers == {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }


def test_a_new_secret_verifies_by_the_rule() -> None:
    """HMAC-SHA256 over id, time and body, joined by dots."""
    secret = new_secret()
    headers = signed_headers(secret_key(secret), "msg_1", 7, b"{}")

    key = base64.b64decode(secret.removeprefix("whsec_"))
    expected = base64.b64encode(hmac.new(key, b"msg_1.7.{}", hashlib.sha256).digest()).decode()
    assert headers["webhook-signature"] == f"v1,{expected}"
    assert new_secret() != secret


@pytest.mark.parametrize(
    "text", ["", "whsec_", "whsec_!!!!", "whsec_c2hvcnQ=", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"]
)
def test_what_is_no_secret_is_refused(text: str) -> None:
    """Shorter than 24 bytes, not base64, or without its prefix."""
    with pytest.raises(ValueError, match="whsec_"):
        secret_key(text)


@pytest.mark.parametrize("url", ["", "127.0.0.1:3000", "ftp://h/x", "http://", "http://u:p@h/"])
def test_what_is_no_url_is_refused(url: str) -> None:
    """Only absolute ones of HTTP, without a login."""
    with pytest.raises(ValueError, match="URL"):
        Endpoint.of_url(url)


def test_a_url_keeps_its_path_and_query() -> None:
    """The root where it has none."""
    assert Endpoint.of_url("https://h:8443/a/b?c=d") == Endpoint("h", 8443, "/a/b?c=d", tls=True)
    assert Endpoint.of_url("http://h").target == "/"
