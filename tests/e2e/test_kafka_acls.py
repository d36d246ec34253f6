"""The access rules of docs/how-to/kafka-acls.md, on a broker that enforces them: each principal can do its work."""

import asyncio
import json
import secrets
import subprocess
import sys
from argparse import ArgumentParser
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path

import httpx
import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import TopicAuthorizationFailedError
from aiokafka.protocol.admin import CreateAclsRequest

from service.dev.broker_config import BrokerSecurity
from service.dev.catcher import Catcher
from service.dev.kafka import EmbeddedKafka
from service.dev.ports import LOOPBACK, free_port
from service.settings import KafkaSettings
from streams.kafka.connection import kafka_connection
from tests.support.api_fixture import token
from tests.support.doc_page import Page
from tests.support.paths import ROOT
from tests.support.stack import shared_valkey
from tests.support.tls_stack import Authority, authority_in
from tests.support.wait import eventually

PAGE = Page.read(ROOT / "docs" / "how-to" / "kafka-acls.md")
PASSWORD, SECRET = secrets.token_hex(16), secrets.token_hex(32)
USERS = ("tocsin", "tocsin-admin", "shop")
_TYPES, _PATTERNS, _ALLOW = {"topic": 2, "group": 3}, {"literal": 3, "prefixed": 4}, 3
_OPERATIONS = {
    "Read": 3,
    "Write": 4,
    "Create": 5,
    "Alter": 7,
    "Describe": 8,
    "DescribeConfigs": 10,
    "AlterConfigs": 11,
}
"""Numbers of Kafka's protocol."""


def commands() -> list[list[str]]:
    """Return the arguments of each call that the page's block makes."""
    block = next(PAGE.section("Commands").blocks()).text
    stub = "kafka-acls.sh() { printf '%s\\n' \"$*\"; }\n"
    ran = subprocess.run(["bash", "-euc", stub + block], capture_output=True, text=True, check=True)
    return [line.split() for line in ran.stdout.splitlines()]


def rules() -> Iterator[CreateAclsRequest]:
    """Yield the rules that the commands make."""
    parser = ArgumentParser()
    for option in ("--bootstrap-server", "--command-config", "--allow-principal", "--topic", "--group"):
        parser.add_argument(option)
    parser.add_argument("--add", action="store_true", required=True)
    parser.add_argument("--operation", action="append", choices=_OPERATIONS)
    parser.add_argument("--resource-pattern-type", choices=_PATTERNS, default="literal")
    for command in commands():
        rule = parser.parse_args(command)
        kind = "topic" if rule.topic else "group"
        for operation in rule.operation:
            yield CreateAclsRequest(
                _TYPES[kind], rule.topic or rule.group, _PATTERNS[rule.resource_pattern_type], rule.allow_principal,
                "*", _OPERATIONS[operation], _ALLOW,
            )  # fmt: skip


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return authority_in(tmp_path_factory.mktemp("authority"))


@pytest.fixture
async def kafka(authority: Authority, tmp_path: Path) -> AsyncIterator[EmbeddedKafka]:
    """Yield a broker that allows nothing but what the page says, with the upstream's topic."""
    secured = BrokerSecurity(authority.keystore, "tocsin", PASSWORD, free_port())
    users = " ".join(f'user_{user}="{PASSWORD}"' for user in USERS)
    extra = [
        "authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "super.users=User:ANONYMOUS",  # the listener without a password, for the broker itself and this fixture
        "listener.name.sasl_ssl.plain.sasl.jaas.config="
        f"org.apache.kafka.common.security.plain.PlainLoginModule required {users};",
    ]
    with EmbeddedKafka(tmp_path / "kafka", secured=secured, extra=extra) as kafka:
        admin = AIOKafkaAdminClient(bootstrap_servers=f"{LOOPBACK}:{secured.plain_port}")
        await admin.start()
        try:
            await admin.create_topics([NewTopic("shop.events", 2, 1)])
            for rule in rules():
                response = await admin._send_request(rule)
                assert not response.creation_responses[0][0], response
        finally:
            await admin.close()
        yield kafka


def environment(kafka: EmbeddedKafka, authority: Authority, user: str, **variables: str) -> dict[str, str]:
    return {
        "PATH": "/usr/bin:/bin",
        "TOCSIN_KAFKA__BOOTSTRAP": kafka.bootstrap,
        "TOCSIN_KAFKA__PREFIX": "notify.",
        "TOCSIN_KAFKA__EVENTS": '["shop.events"]',
        "TOCSIN_KAFKA__PARTITIONS": "2",
        "TOCSIN_KAFKA__SECURITY": "SASL_SSL",
        "TOCSIN_KAFKA__SASL_MECHANISM": "PLAIN",
        "TOCSIN_KAFKA__USERNAME": user,
        "TOCSIN_KAFKA__PASSWORD": PASSWORD,
        "TOCSIN_KAFKA__CA_FILE": str(authority.ca_file),
        "TOCSIN_REDIS__URL": str(shared_valkey().url),
        "TOCSIN_REDIS__PREFIX": "acls:",
        "TOCSIN_AUTH__SECRET": SECRET,
        **variables,
    }


async def run(env: Mapping[str, str], *arguments: str) -> tuple[int, str]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "service.cli", *arguments, cwd=ROOT, env=env,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    output, _ = await process.communicate()
    return process.returncode or 0, output.decode()


@pytest.mark.deployment
@pytest.mark.timeout(300)
async def test_each_principal_can_do_its_work_and_no_more(
    kafka: EmbeddedKafka, authority: Authority, valkey_url: str
) -> None:
    """Topics are made; a worker with all stages and the API become ready; events by Kafka and by HTTP are mailed."""
    code, output = await run(environment(kafka, authority, "tocsin-admin"), "topics", "apply")
    assert code == 0, output
    probe, http, catcher = free_port(), free_port(), Catcher()
    env = environment(
        kafka, authority, "tocsin",
        TOCSIN_SMTP__PORT=str(catcher.smtp_port), TOCSIN_WORKER__METRICS_PORT=str(probe),
        TOCSIN_HTTP__PORT=str(http), TOCSIN_HTTP__METRICS_PORT="0", TOCSIN_LOG_LEVEL="WARNING",
    )  # fmt: skip
    await catcher.start()
    stages = "resolve,inbox,email,schedule,tables,rates"
    processes = [
        subprocess.Popen([sys.executable, "-m", "service.cli", *command], cwd=ROOT, env=env)
        for command in (["worker", "--stages", stages], ["api"])
    ]
    headers = {"Authorization": f"Bearer {token('shop', 'events', 'tables', secret=SECRET)}"}
    try:
        async with httpx.AsyncClient(headers=headers, timeout=30) as client:
            for port in (probe, http):
                await eventually(lambda port=port: _is_ready(client, port), 90, lambda: "not ready")
            api = f"http://{LOOPBACK}:{http}"
            row = {"address": "alice@example.com"}
            assert (await client.put(f"{api}/v1/recipients/alice", json=row)).is_success
            events = [
                {
                    "id": lot,
                    "source": "/acls",
                    "type": "overbid",
                    "recipients": ["alice"],
                    "data": {"lot_id": lot},
                }
                for lot in ("1", "2")
            ]
            assert (await client.post(f"{api}/v1/events", json=events[0])).is_success
            await _publish(kafka, authority, "shop.events", json.dumps(events[1]).encode())
            await eventually(lambda: _mails(catcher, 2), 60, lambda: str(len(catcher.mails)))
            with pytest.raises(TopicAuthorizationFailedError):
                await _publish(kafka, authority, "notify.dispatch.outcomes", b"{}")
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            await asyncio.to_thread(process.wait, 90)
        await catcher.stop()


async def _mails(catcher: Catcher, count: int) -> bool:
    return len(catcher.mails) >= count


async def _publish(kafka: EmbeddedKafka, authority: Authority, topic: str, value: bytes) -> None:
    settings = KafkaSettings(
        bootstrap=kafka.bootstrap, security="SASL_SSL", sasl_mechanism="PLAIN", username="shop", password=PASSWORD,
        ca_file=authority.ca_file,
    )  # fmt: skip
    producer = AIOKafkaProducer(**kafka_connection(settings).arguments())
    await producer.start()
    try:
        await producer.send_and_wait(topic, value)
    finally:
        await producer.stop()


async def _is_ready(client: httpx.AsyncClient, port: int) -> bool:
    try:
        return (await client.get(f"http://{LOOPBACK}:{port}/readyz")).status_code == 200
    except httpx.TransportError:
        return False
