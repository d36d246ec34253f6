"""`tocsin doctor`: no finding on a healthy system, and each problem with its remedy. Real servers throughout."""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import redis
from aiosmtpd.controller import Controller
from aiosmtpd.handlers import Sink
from aiosmtpd.smtp import AuthResult

from service.adapters.redis.client import Store
from service.adapters.redis.tables.writes import RedisTableWrites
from service.cli.checks import Finding, Status
from service.cli.checks.files import check_files
from service.cli.checks.kafka import check_kafka
from service.cli.checks.redis import check_redis
from service.cli.checks.secrets import check_secrets
from service.cli.checks.smtp import check_smtp
from service.dev import ports
from service.model.recipient import Recipient
from service.model.record import Message
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
from streams.kafka.connection import KafkaConnection
from streams.producer.producer import Producer
from streams.topics.apply import apply as apply_topics
from tests.e2e.cli.tocsin import Tocsin
from tests.support.completeness import mark_complete
from tests.support.redis_pair import RedisPair

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
    """Return the finding of a check. Assert that it has a remedy unless it is ok."""
    (one,) = [finding for finding in findings if finding.check == check]
    assert bool(one.remedy) is (one.status is not Status.ok)
    return one


def test_a_healthy_system(ready: Tocsin) -> None:
    """Exit code 0, every check printed, and no message sent."""
    with _smtp() as port:
        result = ready.run(
            "doctor",
            "--json",
            TOCSIN_SMTP__PORT=str(port),
            TOCSIN_AUTH__SECRET=SECRET,
            TOCSIN_MAIL__SECRETS=f'["{SECRET}"]',
        )

    assert result.code == 0, result.out
    status = {finding["check"]: finding["status"] for finding in result.documents}
    checks = (
        "tokens",
        "mail secrets",
        "kafka",
        "topics",
        "redis",
        "redis memory",
        "redis persistence",
        "tables",
        "catalogue",
        "brands",
        "templates",
    )
    assert {name: status[name] for name in checks} == dict.fromkeys(checks, "ok")
    assert status["mandatory types"] == "hint"
    assert status["smtp relay1"] in ("ok", "warn")  # aiosmtpd offers no PIPELINING
    steps = ("workers", "recipients", "api keys", "first event")  # what a new installation lacks
    assert [f["check"] for f in result.documents if f["check"] in steps] == [*steps]
    assert {name: status[name] for name in steps} == {"workers": "warn", **dict.fromkeys(steps[1:], "hint")}


def test_a_new_installation_learns_what_to_do_next(tocsin: Tocsin) -> None:
    """One step after the other: the topics, then a worker; the exact command each time."""
    with _smtp() as port:
        environment = {
            "TOCSIN_SMTP__PORT": str(port),
            "TOCSIN_AUTH__SECRET": SECRET,
            "TOCSIN_MAIL__SECRETS": f'["{SECRET}"]',
        }

        def next_step() -> str:
            return tocsin.run("doctor", **environment).out.splitlines()[-1]

        assert next_step() == "next: run `tocsin topics apply` (topics)"
        tocsin.run("topics", "apply")
        assert next_step() == "next: start one: `tocsin worker` (workers)"


def test_everything_is_unavailable(tocsin: Tocsin, free_port: int, tmp_path: Path) -> None:
    """Every check is printed, each with a remedy; exit code 1; no check hangs."""
    result = tocsin.run(
        "doctor",
        TOCSIN_KAFKA__BOOTSTRAP=f"127.0.0.1:{free_port}",
        TOCSIN_REDIS__URL=f"redis://127.0.0.1:{free_port}",
        TOCSIN_SMTP__PORT=str(free_port),
        TOCSIN_TEMPLATES__DIRECTORY=str(tmp_path),
        TOCSIN_AUTH__SECRET="short",
        timeout_s=60,
    )

    assert (result.code, result.err) == (1, "")
    failed = [line.split()[1] for line in result.out.splitlines() if line.startswith("fail")]
    assert failed == ["tokens", "inbox", "kafka", "redis", "smtp", "catalogue"]
    warned = [line for line in result.out.splitlines() if line.startswith("warn")]
    assert [line[6:18] for line in warned] == ["mail secrets"]
    assert result.out.count("→") == 7


def test_settings_are_shown_without_secrets(tocsin: Tocsin) -> None:
    """Names as in the environment; only the secret part of a value is hidden."""
    result = tocsin.run(
        "doctor",
        "--show-settings",
        "--json",
        TOCSIN_AUTH__SECRET="hunter2" * 6,
        TOCSIN_REDIS__URL="redis://app:hunter2@127.0.0.1:1/3",
        TOCSIN_SMTP__USERNAME="mailer",
        TOCSIN_SMTP__PASSWORD="hunter2",
        TOCSIN_KAFKA__PASSWORD="hunter2",
    )

    shown = {line["setting"]: line["value"] for line in result.documents if "setting" in line}
    assert "hunter2" not in result.out + result.err
    assert shown["TOCSIN_REDIS__URL"] == "redis://app:**********@127.0.0.1:1/3"
    assert shown["TOCSIN_SMTP__USERNAME"] == "mailer"
    assert shown["TOCSIN_AUTH__SECRET"] == "**********"


async def test_topics_that_are_missing_or_differ(tocsin: Tocsin) -> None:
    """A missing topic fails, another number of partitions warns; `topics apply` fixes both."""
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
    ("setting", "value", "check", "status"),
    [
        ("maxmemory-policy", "allkeys-lru", "redis memory", Status.fail),
        ("appendonly", "no", "redis persistence", Status.warn),
    ],
)
async def test_a_redis_that_loses_data(
    valkey_url: str, setting: str, value: str, check: str, status: Status
) -> None:
    """Eviction loses deliveries; without an append-only file a restart does."""
    with redis.Redis.from_url(valkey_url) as client:
        original = client.config_get(setting)[setting]
        client.config_set(setting, value)
        try:
            findings = await check_redis(Settings(redis=RedisSettings(url=valkey_url)))
        finally:
            client.config_set(setting, original)

    assert _one(findings, check).status is status
    assert _one(await check_redis(Settings(redis=RedisSettings(url=valkey_url))), check).status is Status.ok


async def test_replicas_that_no_write_waits_for(tmp_path: Path) -> None:
    """With replicas, a primary that is cut off must stop accepting writes; a server without any needs no setting."""
    async with RedisPair(tmp_path) as pair:
        primary = Settings(redis=RedisSettings(url=pair.first.url))
        assert _one(await check_redis(primary), "redis replication").status is Status.warn
        await pair.command(pair.first, "CONFIG", "SET", "min-replicas-to-write", "1")
        assert _one(await check_redis(primary), "redis replication").status is Status.ok
        await pair.command(pair.second, "REPLICAOF", "NO", "ONE")
        alone = await check_redis(Settings(redis=RedisSettings(url=pair.second.url)))
        assert not [finding for finding in alone if finding.check == "redis replication"]


async def test_tables_that_are_not_complete(valkey_url: str) -> None:
    """With an empty Redis nothing is sent; doctor reports the cause."""
    assert (
        _one(await check_redis(Settings(redis=RedisSettings(url=valkey_url))), "tables").status is Status.fail
    )


async def test_rows_that_kafka_has_no_record_of(kafka: str, valkey_url: str) -> None:
    """A broker came back with an empty disk: nothing fails now, and a rebuild would lose all rows."""
    prefix = f"{uuid4().hex[:8]}."
    settings = Settings(
        kafka=KafkaSettings(bootstrap=kafka, prefix=prefix), redis=RedisSettings(url=valkey_url)
    )
    connection = KafkaConnection(kafka)
    await apply_topics(connection, prefix, partitions=1, events=[])
    store = Store(settings.redis)
    await mark_complete(store)
    assert _one(await check_redis(settings), "tables").status is Status.ok
    await RedisTableWrites(store).put_recipients([Recipient(id="alice", version=1)])
    found = _one(await check_redis(settings), "tables")
    assert (found.status, "has lost its data" in found.detail) == (Status.warn, True)
    producer = Producer(connection)
    await producer.publish([Message(f"{prefix}tables.recipients", b"alice", b"{}")])
    assert _one(await check_redis(settings), "tables").status is Status.ok
    await producer.stop()
    await store.close()


@pytest.mark.parametrize("url", ["nonsense", "redis://127.0.0.1:x/0"])
async def test_an_invalid_redis_url(url: str) -> None:
    """The remedy names the setting."""
    finding = _one(await check_redis(Settings(redis=RedisSettings(url=url))), "redis")

    assert (finding.status, "TOCSIN_REDIS__URL" in finding.remedy) == (Status.fail, True)


async def test_relays_that_refuse() -> None:
    """A wrong password, missing STARTTLS and a closed port have remedies of their own; a fallback is checked too."""

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


async def test_a_relay_password_without_tls() -> None:
    """The relay is not contacted."""
    findings = await check_smtp(
        Settings(smtp=SmtpSettings(host="relay.example.com", username="u", password="p"))
    )

    assert (_one(findings, "smtp").status, "SECURITY" in findings[0].remedy) == (Status.fail, True)


def test_a_broken_catalogue_and_a_broken_template(tmp_path: Path) -> None:
    """The finding names the file."""
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
    """Weak, public and missing secrets are reported."""
    assert _one(check_secrets(Settings(auth=AuthSettings(**auth))), check).status is status


@pytest.mark.parametrize(
    ("mail", "status", "text"),
    [
        ({"secrets": [SECRET, SECRET[::-1]]}, Status.ok, "2, the first"),
        ({}, Status.warn, "no unsubscribe link"),
        ({"secrets": [SECRET, DEV_SECRET]}, Status.warn, "public"),
        ({"secrets": ["ab" * 20]}, Status.warn, "1 of 1"),
        ({"bounce_domain": "bounces.example.com"}, Status.fail, "no worker starts"),
    ],
)
def test_secrets_of_mail(mail: dict[str, Any], status: Status, text: str) -> None:
    """A leaked secret, which signs unsubscribe links and bounce addresses, can stop the mail of every recipient."""
    finding = _one(check_secrets(Settings(mail=MailSettings(**mail))), "mail secrets")

    assert (finding.status, text in finding.detail) == (status, True)
    assert ("TOCSIN_MAIL__SECRETS" in finding.remedy) is (status is not Status.ok)
    assert not any(secret in finding.detail + finding.remedy for secret in (SECRET, DEV_SECRET))


def test_connections_without_tls_or_password() -> None:
    """A password without TLS, or a Redis without a password, on another machine."""
    kafka = KafkaSettings(bootstrap="kafka.example.com:9092", security="SASL_PLAINTEXT")
    plain = check_secrets(Settings(kafka=kafka, redis=RedisSettings(url="redis://:p@redis.example.com")))
    sentinels = RedisSettings(url="redis+sentinel://s.example.com/m/0", sentinel_password="p")
    assert "without TLS" in check_secrets(Settings(redis=sentinels))[-2].detail
    bare = check_secrets(Settings(redis=RedisSettings(url="redis://redis.example.com")))

    assert _one(plain, "kafka security").status is _one(plain, "redis security").status is Status.warn
    assert "no password" in _one(bare, "redis security").detail
