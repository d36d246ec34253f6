"""Check of secrets: settings that would accept forged tokens or links, or send a secret without TLS."""

from collections.abc import Iterator, Sequence
from urllib.parse import urlsplit

from service.cli.checks import Finding, fail, ok, warn
from service.settings import DEV_SECRET, Settings

_MIN_SECRET_CHARACTERS = 32  # RFC 7518 section 3.2: a key at least as long as the hash
_MIN_DISTINCT_CHARACTERS = 10
_LOOPBACK = ("127.", "localhost", "::1", "[::1]")


def check_secrets(settings: Settings) -> Sequence[Finding]:
    """Return the findings on tokens, inbox tokens, mail secrets, then on passwords of Kafka and Redis.

    Relays are not among them: the settings refuse a relay's password without TLS.
    """
    return [*_tokens(settings), _inbox_tokens(settings), _mail(settings), *_connections(settings)]


def _tokens(settings: Settings) -> Iterator[Finding]:
    auth = settings.auth
    secret, remedy = auth.secret.get_secret_value(), "set TOCSIN_AUTH__SECRET to 32 or more random bytes"
    if settings.mode == "dev":
        yield ok("tokens", "dev mode: signed with the dev secret, which is public")
    elif secret == DEV_SECRET:
        yield fail("tokens", "the secret is that of `tocsin dev`, which is public", remedy)
    elif 0 < len(secret) < _MIN_SECRET_CHARACTERS:
        detail = f"the secret has {len(secret)} characters; HS256 needs {_MIN_SECRET_CHARACTERS}"
        yield fail("tokens", detail, remedy)
    elif secret and len(set(secret)) < _MIN_DISTINCT_CHARACTERS:
        yield warn("tokens", f"the secret has only {len(set(secret))} different characters", remedy)
    elif not auth.accepted_algorithms:
        remedy = "set TOCSIN_AUTH__SECRET (HS256) or TOCSIN_AUTH__JWKS_URL (RS256, ES256)"
        yield warn("tokens", "no key for an accepted algorithm: the API does not start", remedy)
    else:
        by_jwks = " by JWKS" if auth.jwks_url else ""
        yield ok("tokens", f"{', '.join(auth.accepted_algorithms)}{by_jwks}")
    if auth.jwks_url.startswith("http:") and not _is_loopback(urlsplit(auth.jwks_url).hostname or ""):
        yield fail(
            "jwks", f"{auth.jwks_url} is without TLS: the keys can be replaced in transit", "use https"
        )


def _inbox_tokens(settings: Settings) -> Finding:
    """Return the finding on the secrets that sign inbox tokens. A leaked one is enough to read every inbox."""
    name, secrets = "inbox tokens", settings.auth.inbox_token_secrets
    remedy = "set TOCSIN_AUTH__TOKEN_SECRETS to a JSON list of random secrets of 32 characters or more"
    if settings.mode == "dev":
        return ok(name, "dev mode: signed with the dev secret, which is public, where none is set")
    if DEV_SECRET in secrets:
        return fail(name, "one of their secrets is that of `tocsin dev`, which is public", remedy)
    if any(len(secret) < _MIN_SECRET_CHARACTERS for secret in secrets):
        return fail(name, f"one of their secrets has less than {_MIN_SECRET_CHARACTERS} characters", remedy)
    if any(len(set(secret)) < _MIN_DISTINCT_CHARACTERS for secret in secrets):
        return warn(
            name,
            f"one of their secrets has less than {_MIN_DISTINCT_CHARACTERS} different characters",
            remedy,
        )
    if not secrets:
        return ok(name, f"none are issued; for apps that ask for them, {remedy}")
    setting = "TOKEN_SECRETS" if settings.auth.token_secrets else "SECRET"
    return ok(name, f"signed with TOCSIN_AUTH__{setting}")


def _mail(settings: Settings) -> Finding:
    """Return the finding on the secrets that sign unsubscribe links and bounce addresses.

    A leaked secret is enough to unsubscribe any recipient and to suppress any address.
    """
    mail, secrets = settings.mail, [secret.get_secret_value() for secret in settings.mail.secrets]
    remedy = 'set TOCSIN_MAIL__SECRETS to a JSON list of random secrets, ["…"], the same for all workers and the API'
    if settings.mode == "dev":
        return ok("mail secrets", "dev mode: the dev secret, which is public, where none is set")
    if mail.bounce_domain and not secrets:
        detail = "none, and TOCSIN_MAIL__BOUNCE_DOMAIN needs one: no worker starts"
        return fail("mail secrets", detail, remedy)
    if not secrets:
        detail = "none: messages have no unsubscribe link, and no bounce report is accepted"
        return warn("mail secrets", detail, remedy)
    if DEV_SECRET in secrets:
        return warn("mail secrets", "one is that of `tocsin dev`, which is public", remedy)
    if weak := sum(len(set(secret)) < _MIN_DISTINCT_CHARACTERS for secret in secrets):
        detail = f"{weak} of {len(secrets)} have fewer than {_MIN_DISTINCT_CHARACTERS} different characters"
        return warn("mail secrets", detail, remedy)
    return ok("mail secrets", f"{len(secrets)}, the first one signs")


def _connections(settings: Settings) -> Iterator[Finding]:
    kafka, redis = settings.kafka, urlsplit(settings.redis.url.get_secret_value())
    if kafka.security == "SASL_PLAINTEXT" and not _is_loopback(kafka.bootstrap):
        detail = "the password is sent to Kafka without TLS"
        yield warn("kafka security", detail, "set TOCSIN_KAFKA__SECURITY to SASL_SSL")
    has_password = redis.password or settings.redis.sentinel_password.get_secret_value()
    if (
        has_password
        and redis.scheme in ("redis", "redis+sentinel")
        and not _is_loopback(redis.hostname or "")
    ):
        yield warn("redis security", "the password is sent to Redis without TLS", "use a rediss:// URL")
    if not redis.password and redis.scheme != "unix" and not _is_loopback(redis.hostname or ""):
        detail = "no password, and Redis is on another machine"
        yield warn("redis security", detail, "create a Redis ACL user, and set its password in the URL")


def _is_loopback(host: str) -> bool:
    return host.startswith(_LOOPBACK)
