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
ISSUER = "https://issuer.test/jwks"
RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
EC = ec.generate_private_key(ec.SECP256R1())


class Issuer:
    """A key set that can rotate and be unavailable; counts its fetches."""

    def __init__(self, **keys: Any) -> None:
        self.keys = keys
        self.fetches = 0
        self.unavailable = False
        self.document: bytes | None = None

    def __call__(self, url: str) -> bytes:
        self.fetches += 1
        if self.unavailable:
            raise OSError("unavailable")
        if self.document is not None:
            return self.document
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


def settings(*algorithms: str, secret: str = SECRET, mode: str = "production", url: str = ISSUER) -> Settings:
    auth = AuthSettings.model_validate(
        {"secret": SecretStr(secret), "algorithms": algorithms or ("HS256",), "jwks_url": url, "skew": 30}
    )
    return Settings.model_validate({"mode": mode, "auth": auth})


async def refusal(tokens: Tokens, text: str) -> str:
    with pytest.raises(BadCredential) as refused:
        await tokens.principal(text)
    return str(refused.value)


async def test_an_earlier_secret_verifies_too() -> None:
    """Tokens of both secrets are accepted while callers change over, and of no other."""
    old, new, other = (letter * 8 + SECRET for letter in "abc")
    auth = AuthSettings(secret=SecretStr(new), earlier_secrets=(SecretStr(old),))
    tokens = Tokens(Settings(auth=auth))

    for secret in (new, old):
        assert (await tokens.principal(jwt.encode(claims(), secret, "HS256"))).id == "alice"
    assert await refusal(tokens, jwt.encode(claims(), other, "HS256"))
    with pytest.raises(ValueError, match="TOCSIN_AUTH__EARLIER_SECRETS must have"):
        Tokens(Settings(auth=AuthSettings(secret=SecretStr(new), earlier_secrets=(SecretStr("short"),))))


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
        ({"exp": "4000000000"}, "not a number of seconds"),
        ({"exp": time.time() * 1000}, "not a number of seconds"),
        ({"exp": 10**30}, "not a number of seconds"),
        ({"exp": float("nan")}, "not valid"),
        ({"nbf": "0"}, "not a number of seconds"),
        ({"iat": "0"}, "not a number of seconds"),
        ({"iat": time.time() + 3600}, "not valid"),
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


class KeySet:
    """Tokens verified by an issuer's key set, at a time that the test sets; nothing is cached but the key set."""

    def __init__(self, issuer: Issuer, stale_s: float = 3600.0) -> None:
        self.now_s = 0.0
        self._jwks = Jwks("https://issuer.test/jwks", issuer, lambda: self.now_s, stale_s=stale_s)

    async def accepts(self, key: Any, key_id: str) -> bool:
        text = jwt.encode(claims(), key, "RS256" if key is RSA else "ES256", {"kid": key_id})
        try:
            await Tokens(settings("RS256", "ES256"), self._jwks).principal(text)
        except BadCredential:
            return False
        return True


async def test_issuer_outage() -> None:
    """While the set cannot be fetched known keys still verify, for the time that is set; then, or with no set, 503."""
    issuer = Issuer(one=RSA)
    keys = KeySet(issuer, stale_s=1000)
    assert await keys.accepts(RSA, "one")
    issuer.unavailable, keys.now_s = True, 999.0

    assert await keys.accepts(RSA, "one")
    keys.now_s = 1001.0
    with pytest.raises(Unavailable):
        await keys.accepts(RSA, "one")
    issuer.unavailable, keys.now_s = False, 1012.0
    assert await keys.accepts(RSA, "one")
    issuer.unavailable = True
    with pytest.raises(Unavailable):
        await KeySet(issuer).accepts(RSA, "one")


async def test_an_empty_key_set_revokes_every_key() -> None:
    """A set that was fetched replaces the one before, also when it is empty or has no key that can be used."""
    for left in ({}, {"two": EC}):
        issuer = Issuer(one=RSA)
        keys = KeySet(issuer)
        assert await keys.accepts(RSA, "one")
        issuer.keys, keys.now_s = left, 301.0

        assert not await keys.accepts(RSA, "one")
        assert await keys.accepts(EC, "two") is ("two" in left)


@pytest.mark.parametrize(
    "document", [b"", b"[]", b"{}", b'{"keys": {}}', b'{"error": "down"}', b"<html>", b"\xff", b"[" * 5000]
)
async def test_what_is_no_key_set_revokes_nothing(document: bytes) -> None:
    """An error page instead of the set counts as an outage."""
    issuer = Issuer(one=RSA)
    keys = KeySet(issuer)
    assert await keys.accepts(RSA, "one")
    issuer.document, keys.now_s = document, 301.0

    assert await keys.accepts(RSA, "one")


async def test_keys_that_cannot_be_used_are_left_out() -> None:
    """Unknown types, keys for encryption and rows that are no keys do not hide the others (RFC 7517, section 5)."""
    issuer = Issuer(one=RSA)
    rows = orjson.loads(issuer(""))["keys"]
    odd = [
        {"kty": "OKP", "crv": "X448", "kid": "x"},
        {"kid": "y"},
        1,
        None,
        {**rows[0], "use": "enc", "kid": "z"},
    ]
    private = orjson.loads(jwt.algorithms.RSAAlgorithm.to_jwk(RSA))
    odd += [
        {**rows[0], "key_ops": ["encrypt"], "kid": "e"},
        {**rows[0], "key_ops": 5, "kid": "n"},
        {**private, "kid": "p"},
    ]
    issuer.document = orjson.dumps({"keys": [*odd, *rows]})
    keys = KeySet(issuer)

    assert await keys.accepts(RSA, "one")
    for name in "zenp":
        assert not await keys.accepts(RSA, name)


async def test_a_short_key_is_left_out() -> None:
    """RS256 needs 2048 bits (RFC 7518, section 3.3)."""
    short = rsa.generate_private_key(public_exponent=65537, key_size=1024)
    tokens = Tokens(settings("RS256"), Jwks("https://issuer.test/jwks", Issuer(one=short)))
    with pytest.warns(UserWarning, match="1024 bits"):
        text = jwt.encode(claims(), short, "RS256", {"kid": "one"})
    assert "not known" in await refusal(tokens, text)


@pytest.mark.parametrize("secret", [DEV_SECRET, "short"])
def test_bad_secrets_do_not_start(secret: str) -> None:
    """The dev secret outside of dev mode, or a short secret, stops the start."""
    with pytest.raises(ValueError, match="TOCSIN_AUTH__SECRET"):
        Tokens(settings(secret=secret))


async def test_no_secret_no_token() -> None:
    """Without a secret every HS256 token is refused, one signed with an empty key included."""
    assert await refusal(
        Tokens(settings("HS256", "RS256", secret="")), jwt.encode(claims(), "x" * 32, "HS256")
    )


@pytest.mark.parametrize(
    ("algorithms", "secret", "url"),
    [((), "", ""), (("HS256",), "", "https://issuer.test/jwks"), (("RS256", "ES256"), SECRET, "")],
)
def test_without_a_way_to_sign_in_the_api_does_not_start(
    algorithms: tuple[str, ...], secret: str, url: str
) -> None:
    """Without a key for an accepted algorithm the start fails, and the error names the settings; dev mode starts."""
    auth = AuthSettings.model_validate({"secret": secret, "algorithms": algorithms, "jwks_url": url})

    with pytest.raises(ValueError, match=r"TOCSIN_AUTH__SECRET.*TOCSIN_AUTH__JWKS_URL"):
        Tokens(Settings(mode="production", auth=auth))
    Tokens(Settings(mode="dev", auth=auth))


@pytest.mark.parametrize(
    ("secret", "url", "accepted"),
    [
        (SECRET, "", ("HS256",)),
        ("", "https://i.test", ("RS256", "ES256")),
        (SECRET, "https://i.test", ("HS256", "RS256", "ES256")),
    ],
)
def test_algorithms_follow_from_the_keys(secret: str, url: str, accepted: tuple[str, ...]) -> None:
    """A secret or a JWKS URL alone is enough: without a list, each algorithm that has a key is accepted."""
    auth = AuthSettings.model_validate({"secret": secret, "jwks_url": url})

    assert auth.accepted_algorithms == accepted


def test_key_set_by_http_only() -> None:
    """A file URL is refused."""
    with pytest.raises(ValueError, match="http"):
        Jwks("file:///etc/passwd")
