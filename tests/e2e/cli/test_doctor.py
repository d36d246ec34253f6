"""`tocsin doctor`: everything well, and each thing that can be wrong with its remedy. Real servers throughout."""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import redis
from aiosmtpd.controller import Controller
from aiosmtpd.handlers import Sink
from aiosmtpd.smtp import AuthResult

from service.cli.checks import Finding, Status
from service.cli.checks.files import check_files
from service.cli.checks.kafka import check_kafka
from service.cli.checks.redis import check_redis
from service.cli.checks.secrets import check_secrets
from service.cli.checks.smtp import check_smtp
from service.dev import ports
from service.settings import (
    DEV_SECRET,
    AuthSettings,
    KafkaSettings,
    MailSettings,
    RedisSettings,
    Settings,
    SmtpSettings,
    TemplateSettings,
)
from tests.e2e.cli.tocsin import Tocsin

SECRET = "0123456789abcdefghijklmnopqrstuv"


@contextmanager
def _smtp(**options: Any) -> Iterator[int]:
    controller = Controller(Sink(), hostname="127.0.0.1", port=ports.free_port(), **options)
    controller.start()
    try:
        yield controller.port
    finally:
        controller.stop()


def _one(findings: Sequence[Finding], check: str) -> Finding:
    """The finding of a check; with a remedy unless all is well."""
    (found,) = [finding for finding in findings if finding.check == check]
    assert bool(found.remedy) is (found.status is not Status.ok)
    return found


def test_all_is_well(ready: Tocsin) -> None:
    """Exit code 0, every check told, and no mail sent."""
    with _smtp() as port:
        ended = ready.run(
            "doctor",
            "--json",
            TOCSIN_SMTP__PORT=str(port),
            TOCSIN_AUTH__SECRET=SECRET,
            TOCSIN_MAIL__SECRETS=f'["{SECRET}"]',
        )

    assert ended.code == 0, ended.out
    status = {finding["check"]: finding["status"] for finding in ended.documents}
    wanted = (
        "tokens",
        "mail secrets",
        "kafka",
        "topics",
        "redis",
        "redis memory",
        "redis persistence",
        "tables",
        "catalogue",
        "templates",
    )
    assert {name: status[name] for name in wanted} == dict.fromkeys(wanted, "ok")
    assert status["smtp relay1"] in ("ok", "warn")  # aiosmtpd offers no PIPELINING


def test_everything_is_away(tocsin: Tocsin, free_port: int, tmp_path: Path) -> None:
    """Every check is told, each with a remedy; exit code 1; nothing hangs."""
    ended = tocsin.run(
        "doctor",
        TOCSIN_KAFKA__BOOTSTRAP=f"127.0.0.1:{free_port}",
        TOCSIN_REDIS__URL=f"redis://127.0.0.1:{free_port}",
        TOCSIN_SMTP__PORT=str(free_port),
        TOCSIN_TEMPLATES__DIRECTORY=str(tmp_path),
        TOCSIN_AUTH__SECRET="short",
        timeout=60,
    )

    assert (ended.code, ended.err) == (1, "")
    failed = [line.split()[1] for line in ended.out.splitlines() if line.startswith("fail")]
    assert failed == ["tokens", "kafka", "redis", "smtp", "catalogue"]
    warned = [line for line in ended.out.splitlines() if line.startswith("warn")]
    assert [line[6:18] for line in warned] == ["mail secrets"]
    assert ended.out.count("→") == 6


def test_settings_are_shown_without_secrets(tocsin: Tocsin) -> None:
    """Names as in the environment; where a value holds a secret, the rest of it stays."""
    ended = tocsin.run(
        "doctor",
        "--show-settings",
        "--json",
        TOCSIN_AUTH__SECRET="hunter2" * 6,
        TOCSIN_REDIS__URL="redis://app:hunter2@127.0.0.1:1/3",
        TOCSIN_SMTP__USERNAME="mailer",
        TOCSIN_SMTP__PASSWORD="hunter2",
        TOCSIN_KAFKA__PASSWORD="hunter2",
    )

    shown = {line["setting"]: line["value"] for line in ended.documents if "setting" in line}
    assert "hunter2" not in ended.out + ended.err
    assert shown["TOCSIN_REDIS__URL"] == "redis://app:**********@127.0.0.1:1/3"
    assert shown["TOCSIN_SMTP__USERNAME"] == "mailer"
    assert shown["TOCSIN_AUTH__SECRET"] == "**********"


async def test_topics_that_are_missing_or_differ(tocsin: Tocsin) -> None:
    """Missing ones fail, other numbers of partitions warn; both are mended by `topics apply`."""
    missing = _one(await check_kafka(tocsin.settings), "topics")
    await asyncio.to_thread(tocsin.run, "topics", "apply", TOCSIN_KAFKA__PARTITIONS="1")
    differing = _one(await check_kafka(tocsin.settings), "topics")

    assert (missing.status, differing.status) == (Status.fail, Status.warn)
    assert "dispatch.outcomes" in missing.detail
    assert "partitions 1 -> 3" in differing.detail


async def test_kafka_certificates_that_cannot_be_used(tmp_path: Path) -> None:
    """A finding, not a traceback."""
    kafka = KafkaSettings(security="SSL", ca_file=tmp_path / "none.pem")

    assert _one(await check_kafka(Settings(kafka=kafka)), "kafka").status is Status.fail


@pytest.mark.parametrize(
    ("setting", "wrong", "check", "status"),
    [
        ("maxmemory-policy", "allkeys-lru", "redis memory", Status.fail),
        ("appendonly", "no", "redis persistence", Status.warn),
    ],
)
async def test_a_redis_that_forgets(
    valkey_url: str, setting: str, wrong: str, check: str, status: Status
) -> None:
    """Eviction would lose deliveries; without an append-only file a restart does."""
    with redis.Redis.from_url(valkey_url) as client:
        right = client.config_get(setting)[setting]
        client.config_set(setting, wrong)
        try:
            findings = await check_redis(Settings(redis=RedisSettings(url=valkey_url)))
        finally:
            client.config_set(setting, right)

    assert _one(findings, check).status is status
    assert _one(await check_redis(Settings(redis=RedisSettings(url=valkey_url))), check).status is Status.ok


async def test_tables_that_are_not_complete(valkey_url: str) -> None:
    """An empty Redis sends nothing, and doctor says why."""
    assert (
        _one(await check_redis(Settings(redis=RedisSettings(url=valkey_url))), "tables").status is Status.fail
    )


@pytest.mark.parametrize("url", ["nonsense", "redis://127.0.0.1:x/0"])
async def test_a_redis_url_that_is_none(url: str) -> None:
    """Named as the setting."""
    found = _one(await check_redis(Settings(redis=RedisSettings(url=url))), "redis")

    assert (found.status, "TOCSIN_REDIS__URL" in found.remedy) == (Status.fail, True)


async def test_relays_that_refuse() -> None:
    """A wrong password, missing STARTTLS and a closed port are told apart; a fallback is checked too."""

    def refuse(*_: Any) -> AuthResult:
        return AuthResult(success=False, handled=False)

    with _smtp(authenticator=refuse, auth_require_tls=False) as port:
        auth = await check_smtp(Settings(smtp=SmtpSettings(port=port, username="u", password="p")))
        tls = await check_smtp(Settings(smtp=SmtpSettings(port=port, security="starttls")))
        fallback = await check_smtp(
            Settings(smtp=SmtpSettings(port=port, fallbacks=({"port": ports.free_port()},)))
        )

    assert "password" in _one(auth, "smtp relay1").remedy
    assert "security" in _one(tls, "smtp relay1").remedy
    assert [finding.status is Status.fail for finding in fallback] == [False, True]


async def test_a_relay_password_in_the_clear() -> None:
    """Not even tried."""
    found = await check_smtp(
        Settings(smtp=SmtpSettings(host="relay.example.com", username="u", password="p"))
    )

    assert (_one(found, "smtp").status, "SECURITY" in found[0].remedy) == (Status.fail, True)


def test_a_broken_catalogue_and_a_broken_template(tmp_path: Path) -> None:
    """One line that names the file."""
    (tmp_path / "catalogue").mkdir()
    (tmp_path / "catalogue" / "shop.toml").write_text("[overbid\n")
    catalogue = check_files(Settings(templates=TemplateSettings(directory=tmp_path)))
    (tmp_path / "catalogue" / "shop.toml").write_text(
        '[overbid]\ntitle = "t"\ndescription = "d"\naudience = [{kind = "users"}]\nchannels = ["email"]\n'
    )
    (tmp_path / "overbid").mkdir()
    (tmp_path / "overbid" / "en.j2").write_text("{% block subject %}{{ data.nothing }")
    template = check_files(Settings(templates=TemplateSettings(directory=tmp_path)))

    assert "shop.toml" in _one(catalogue, "catalogue").detail
    assert _one(template, "templates").status is Status.fail


@pytest.mark.parametrize(
    ("auth", "check", "status"),
    [
        ({"secret": SECRET}, "tokens", Status.ok),
        ({"secret": "short"}, "tokens", Status.fail),
        ({"secret": DEV_SECRET}, "tokens", Status.fail),
        ({"secret": "ab" * 20}, "tokens", Status.warn),
        ({}, "tokens", Status.warn),
        ({"jwks_url": "https://issuer.test/k", "algorithms": ["RS256"]}, "tokens", Status.ok),
        ({"jwks_url": "http://issuer.test/k", "algorithms": ["RS256"]}, "jwks", Status.fail),
    ],
)
def test_secrets(auth: dict[str, Any], check: str, status: Status) -> None:
    """Weak, public and missing ones are told."""
    assert _one(check_secrets(Settings(auth=AuthSettings(**auth))), check).status is status


@pytest.mark.parametrize(
    ("mail", "status", "said"),
    [
        ({"secrets": [SECRET, SECRET[::-1]]}, Status.ok, "2, the first"),
        ({}, Status.warn, "no unsubscribe link"),
        ({"secrets": [SECRET, DEV_SECRET]}, Status.warn, "everybody knows"),
        ({"secrets": ["ab" * 20]}, Status.warn, "1 of 1"),
        ({"bounce_domain": "bounces.example.com"}, Status.fail, "no worker starts"),
    ],
)
def test_secrets_of_mail(mail: dict[str, Any], status: Status, said: str) -> None:
    """Who knows what signs unsubscribe links and bounce addresses can stop anybody's mail."""
    found = _one(check_secrets(Settings(mail=MailSettings(**mail))), "mail secrets")

    assert (found.status, said in found.detail) == (status, True)
    assert ("TOCSIN_MAIL__SECRETS" in found.remedy) is (status is not Status.ok)
    assert not any(secret in found.detail + found.remedy for secret in (SECRET, DEV_SECRET))


def test_ways_that_others_can_read() -> None:
    """A password without TLS, or a Redis without one, away from this machine."""
    kafka = KafkaSettings(bootstrap="kafka.example.com:9092", security="SASL_PLAINTEXT")
    plain = check_secrets(Settings(kafka=kafka, redis=RedisSettings(url="redis://:p@redis.example.com")))
    bare = check_secrets(Settings(redis=RedisSettings(url="redis://redis.example.com")))

    assert _one(plain, "kafka security").status is _one(plain, "redis security").status is Status.warn
    assert "no password" in _one(bare, "redis security").detail
