"""Settings that would let the wrong people in, or send a secret in the clear."""

from collections.abc import Iterator, Sequence
from urllib.parse import urlsplit

from service.cli.checks import Finding, fail, ok, warn
from service.settings import DEV_SECRET, Settings

_SHORTEST = 32  # RFC 7518 section 3.2: a key at least as long as the hash
_FEWEST = 10
_HERE = ("127.", "localhost", "::1", "[::1]")


def check_secrets(settings: Settings) -> Sequence[Finding]:
    """Tokens, mail, then the ways to Kafka and Redis; relays refuse a password without TLS themselves."""
    return [*_tokens(settings), _mail(settings), *_ways(settings)]


def _tokens(settings: Settings) -> Iterator[Finding]:
    auth = settings.auth
    secret, new = auth.secret.get_secret_value(), "set TOCSIN_AUTH__SECRET to 32 or more random bytes"
    if settings.mode == "dev":
        yield ok("tokens", "dev mode: the dev secret, which everybody knows")
    elif secret == DEV_SECRET:
        yield fail("tokens", "the secret is that of `tocsin dev`, which everybody knows", new)
    elif 0 < len(secret) < _SHORTEST:
        yield fail("tokens", f"the secret has {len(secret)} characters; HS256 needs {_SHORTEST}", new)
    elif secret and len(set(secret)) < _FEWEST:
        yield warn("tokens", f"the secret has only {len(set(secret))} different characters", new)
    elif not secret and not auth.jwks_url:
        remedy = "set TOCSIN_AUTH__SECRET, or TOCSIN_AUTH__JWKS_URL with TOCSIN_AUTH__ALGORITHMS"
        yield warn("tokens", "neither a secret nor a JWKS URL: the API accepts no token", remedy)
    else:
        yield ok("tokens", f"{', '.join(auth.algorithms)}{' by JWKS' if auth.jwks_url else ''}")
    if auth.jwks_url.startswith("http:") and not _is_here(urlsplit(auth.jwks_url).hostname or ""):
        yield fail("jwks", f"{auth.jwks_url} can be changed on its way", "use https")


def _mail(settings: Settings) -> Finding:
    """What signs unsubscribe links and bounce addresses: who knows it can end anybody's mail, and suppress anybody."""
    mail, secrets = settings.mail, [secret.get_secret_value() for secret in settings.mail.secrets]
    new = 'set TOCSIN_MAIL__SECRETS to a JSON list of random secrets, ["…"], the same for all workers and the API'
    if settings.mode == "dev":
        return ok("mail secrets", "dev mode: the dev secret, which everybody knows, where none is set")
    if mail.bounce_domain and not secrets:
        return fail("mail secrets", "none, and TOCSIN_MAIL__BOUNCE_DOMAIN needs one: no worker starts", new)
    if not secrets:
        return warn("mail secrets", "none: mails have no unsubscribe link, and no bounce is believed", new)
    if DEV_SECRET in secrets:
        return warn("mail secrets", "one is that of `tocsin dev`, which everybody knows", new)
    if weak := sum(len(set(secret)) < _FEWEST for secret in secrets):
        return warn(
            "mail secrets", f"{weak} of {len(secrets)} have fewer than {_FEWEST} different characters", new
        )
    return ok("mail secrets", f"{len(secrets)}, the first one signs")


def _ways(settings: Settings) -> Iterator[Finding]:
    kafka, redis = settings.kafka, urlsplit(settings.redis.url.get_secret_value())
    if kafka.security == "SASL_PLAINTEXT" and not _is_here(kafka.bootstrap):
        detail = "the password goes to Kafka without TLS"
        yield warn("kafka security", detail, "set TOCSIN_KAFKA__SECURITY to SASL_SSL")
    if redis.password and redis.scheme == "redis" and not _is_here(redis.hostname or ""):
        yield warn("redis security", "the password goes to Redis without TLS", "use a rediss:// URL")
    if not redis.password and redis.scheme != "unix" and not _is_here(redis.hostname or ""):
        yield warn("redis security", "no password, and not on this machine", "give Redis an ACL user")


def _is_here(host: str) -> bool:
    return host.startswith(_HERE)
