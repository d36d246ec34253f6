"""Bearer tokens that are accepted and refused."""

import time
from collections.abc import Mapping
from typing import Any

import jwt
import orjson
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from pydantic import SecretStr

from service.api.auth.jwks import Jwks
from service.api.auth.principal import BadCredential
from service.api.auth.tokens import Tokens
from service.ports import Unavailable
from service.settings import DEV_SECRET, AuthSettings, Settings

SECRET = "0123456789abcdef0123456789abcdef"
RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
EC = ec.generate_private_key(ec.SECP256R1())


class Issuer:
    """A key set that can rotate and be unavailable; counts its fetches."""

    def __init__(self, **keys: Any) -> None:
        self.keys = keys
        self.fetches = 0
        self.unavailable = False

    def __call__(self, url: str) -> bytes:
        self.fetches += 1
        if self.unavailable:
            raise OSError("unavailable")
        rows = []
        for name, key in self.keys.items():
            kind = (
                jwt.algorithms.RSAAlgorithm
                if isinstance(key, rsa.RSAPrivateKey)
                else jwt.algorithms.ECAlgorithm
            )
            rows.append({**orjson.loads(kind.to_jwk(key.public_key())), "kid": name, "use": "sig"})
        return orjson.dumps({"keys": rows})


def claims(**fields: Any) -> dict[str, Any]:
    return {"sub": "alice", "aud": "tocsin", "exp": time.time() + 60, "scope": "inbox tables", **fields}


def settings(*algorithms: str, secret: str = SECRET, mode: str = "production", url: str = "") -> Settings:
    auth = AuthSettings.model_validate(
        {"secret": SecretStr(secret), "algorithms": algorithms or ("HS256",), "jwks_url": url, "skew": 30}
    )
    return Settings.model_validate({"mode": mode, "auth": auth})


async def refusal(tokens: Tokens, text: str) -> str:
    with pytest.raises(BadCredential) as refused:
        await tokens.principal(text)
    return str(refused.value)


async def test_a_good_token() -> None:
    """`sub` is the recipient's id, `scope` its scopes."""
    principal = await Tokens(settings()).principal(jwt.encode(claims(), SECRET, "HS256"))

    assert (principal.id, principal.scopes) == ("alice", frozenset({"inbox", "tables"}))


@pytest.mark.parametrize(
    ("fields", "detail"),
    [
        ({"exp": time.time() - 31}, "expired"),
        ({"exp": None}, "no exp"),
        ({"aud": None}, "no aud"),
        ({"aud": "another"}, "another audience"),
        ({"sub": None}, "no sub"),
        ({"sub": ""}, "not a recipient id"),
        ({"sub": 5}, "not a recipient id"),
        ({"sub": "a\nb"}, "not a recipient id"),
        ({"sub": "x" * 129}, "not a recipient id"),
        ({"scope": ["inbox"]}, "scope"),
        ({"nbf": time.time() + 86_400}, "not valid"),
        ({"exp": "soon"}, "not valid"),
        ({"exp": float("inf")}, "not valid"),
    ],
)
async def test_wrong_claims(fields: Mapping[str, Any], detail: str) -> None:
    """Every required claim is checked, and the error names it."""
    payload = {name: value for name, value in claims(**fields).items() if value is not None}

    assert detail in await refusal(Tokens(settings()), jwt.encode(payload, SECRET, "HS256"))


async def test_verified_tokens_are_cached(monkeypatch: pytest.MonkeyPatch) -> None:
    """A valid token is verified again after half a minute or when it has expired; an invalid one each time."""
    verified, begun, decode = 0, time.time(), jwt.decode

    def counted(*args: Any, **kwargs: Any) -> Any:
        nonlocal verified
        verified += 1
        return decode(*args, **kwargs)

    def at(seconds: float) -> None:
        monkeypatch.setattr(time, "time", lambda: begun + seconds)

    monkeypatch.setattr(jwt, "decode", counted)
    tokens, long, short = (
        Tokens(settings()),
        *(jwt.encode(claims(exp=begun + seconds), SECRET, "HS256") for seconds in (60, 10)),
    )
    for moment, token, expected in (
        (0, long, 1), (29, long, 1), (31, long, 2), (31, short, 3), (0, short, 3), (11, short, 4),
    ):  # fmt: skip
        at(moment)
        assert (await tokens.principal(token)).id == "alice"
        assert verified == expected, (moment, expected)
    for _ in range(2):
        assert await refusal(tokens, f"{long}x")
    assert verified == 6


async def test_skew() -> None:
    """A token expired by less than the configured clock skew is accepted."""
    text = jwt.encode(claims(exp=time.time() - 10), SECRET, "HS256")

    assert (await Tokens(settings()).principal(text)).id == "alice"


@pytest.mark.parametrize(
    "text", ["", "x", "a.b.c", "..", "e30.e30.", "\x00", "é.é.é", "x" * 9000, "eyJhbGciOiJub25lIn0.e30."]
)
async def test_garbage(text: str) -> None:
    """Text that is not a token is refused, without another error."""
    assert await refusal(Tokens(settings()), text)


async def test_algorithm_none() -> None:
    """An unsigned token is refused."""
    assert "not accepted" in await refusal(Tokens(settings()), jwt.encode(claims(), None, "none"))


async def test_algorithm_is_pinned() -> None:
    """An algorithm that is not configured is refused, even with a valid signature."""
    assert "not accepted" in await refusal(Tokens(settings()), jwt.encode(claims(), SECRET * 2, "HS512"))


async def test_only_what_is_configured() -> None:
    """HS256 is refused where only the issuer's algorithms are configured, and the other way round."""
    keys = Jwks("https://issuer.test/jwks", Issuer(one=RSA))

    by_secret = await refusal(Tokens(settings("RS256"), keys), jwt.encode(claims(), SECRET, "HS256"))
    by_key = await refusal(
        Tokens(settings("HS256"), keys), jwt.encode(claims(), RSA, "RS256", {"kid": "one"})
    )

    assert "not accepted" in by_secret
    assert "not accepted" in by_key


async def test_public_key_is_no_secret() -> None:
    """A token signed by HS256 with the issuer's public key as the secret is refused."""
    issuer = Issuer(one=RSA)
    tokens = Tokens(settings("RS256", secret=""), Jwks("https://issuer.test/jwks", issuer))
    forged = jwt.api_jws.PyJWS().encode(
        orjson.dumps(claims()), orjson.loads(issuer(""))["keys"][0]["n"], "HS256", headers={"kid": "one"}
    )

    assert "not accepted" in await refusal(tokens, forged)


@pytest.mark.parametrize(("algorithm", "key"), [("RS256", RSA), ("ES256", EC)])
async def test_public_keys(algorithm: str, key: Any) -> None:
    """RS256 and ES256 tokens are verified by the issuer's key of that id."""
    tokens = Tokens(settings("RS256", "ES256"), Jwks("https://issuer.test/jwks", Issuer(one=key)))

    assert (await tokens.principal(jwt.encode(claims(), key, algorithm, {"kid": "one"}))).id == "alice"


async def test_wrong_key() -> None:
    """A token signed by another key is refused, and so is one whose key is for another algorithm."""
    tokens = Tokens(settings("RS256", "ES256"), Jwks("https://issuer.test/jwks", Issuer(one=RSA)))
    other = rsa.generate_private_key(public_exponent=65537, key_size=2048)

    assert "not valid" in await refusal(tokens, jwt.encode(claims(), other, "RS256", {"kid": "one"}))
    assert "not known" in await refusal(tokens, jwt.encode(claims(), EC, "ES256", {"kid": "one"}))


async def test_rotation() -> None:
    """A new key is fetched when a token first names it; unknown key ids cost at most one fetch in ten seconds."""
    now = 0.0
    issuer = Issuer(one=RSA)
    tokens = Tokens(settings("ES256", "RS256"), Jwks("https://issuer.test/jwks", issuer, lambda: now))
    await tokens.principal(jwt.encode(claims(), RSA, "RS256", {"kid": "one"}))
    issuer.keys = {"two": EC}
    new = jwt.encode(claims(), EC, "ES256", {"kid": "two"})

    assert "not known" in await refusal(tokens, new)
    now = 11.0
    assert (await tokens.principal(new)).id == "alice"
    for name in range(20):
        await refusal(tokens, jwt.encode(claims(), EC, "ES256", {"kid": str(name)}))
    assert issuer.fetches == 2


async def test_issuer_outage() -> None:
    """During an outage of the issuer known keys still verify; with no key set at all the error is Unavailable."""
    now = 0.0
    issuer = Issuer(one=RSA)
    text = jwt.encode(claims(), RSA, "RS256", {"kid": "one"})
    known = Tokens(settings("RS256"), Jwks("https://issuer.test/jwks", issuer, lambda: now))
    await known.principal(text)
    issuer.unavailable, now = True, 1000.0

    assert (await known.principal(text)).id == "alice"
    with pytest.raises(Unavailable):
        await Tokens(settings("RS256"), Jwks("https://issuer.test/jwks", issuer)).principal(text)


@pytest.mark.parametrize("secret", [DEV_SECRET, "short"])
def test_bad_secrets_do_not_start(secret: str) -> None:
    """The dev secret outside of dev mode, or a short secret, stops the start."""
    with pytest.raises(ValueError, match="TOCSIN_AUTH__SECRET"):
        Tokens(settings(secret=secret))


async def test_no_secret_no_token() -> None:
    """Without a secret every HS256 token is refused, one signed with an empty key included."""
    assert await refusal(Tokens(settings(secret="")), jwt.encode(claims(), "x" * 32, "HS256"))


def test_key_set_by_http_only() -> None:
    """A file URL is refused."""
    with pytest.raises(ValueError, match="http"):
        Jwks("file:///etc/passwd")
