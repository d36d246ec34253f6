"""Kafka, Redis and a relay that let nobody in without TLS and a password, with certificates of an own authority."""

import ssl
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex

import trustme
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from pydantic import SecretStr

from service.dev.broker_config import BrokerSecurity
from service.dev.kafka import EmbeddedKafka
from service.dev.ports import free_port
from service.dev.valkey import EmbeddedValkey
from service.settings import KafkaSettings, RedisSettings
from tests.support.real_pipeline import RealPipeline
from tests.support.smtp_server import ScriptedServer
from tests.support.tcp_proxy import TcpProxy

LOOPBACK = "127.0.0.1"


@dataclass(frozen=True)
class Fortress:
    """Servers with their authority. Passwords are made for the run, so that a log can be searched for them."""

    authority: trustme.CA
    ca_file: Path
    stranger: Path
    kafka: EmbeddedKafka
    valkey: EmbeddedValkey
    username: str
    password: str

    def context(self) -> ssl.SSLContext:
        """A server's side of TLS, for 127.0.0.1."""
        made = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self.authority.issue_cert(LOOPBACK).configure_cert(made)
        return made


@contextmanager
def fortress(directory: Path) -> Iterator[Fortress]:
    """Start the servers. The embedded Valkey is built without TLS: a proxy before it ends TLS; its users are real."""
    authority, password = trustme.CA(), token_hex(16)
    ca_file, stranger = directory / "ca.pem", directory / "stranger.pem"
    authority.cert_pem.write_to_path(ca_file)
    trustme.CA().cert_pem.write_to_path(stranger)
    secured = BrokerSecurity(_keystore(authority, directory / "kafka.pem"), "tocsin", password, free_port())
    rights = ["~*", "&*", "+@all", "-@dangerous", "+info"]  # as docs/security.md advises
    users = ["--user", "default", "off", "--user", "tocsin", "on", f">{password}", *rights]
    with (
        EmbeddedKafka(directory / "kafka", secured=secured) as kafka,
        EmbeddedValkey(directory / "valkey", extra=users) as valkey,
    ):
        yield Fortress(authority, ca_file, stranger, kafka, valkey, "tocsin", password)


@asynccontextmanager
async def secured_line(fortress: Fortress) -> AsyncIterator[tuple[RealPipeline, ScriptedServer]]:
    """A line whose every connection is encrypted and authenticated, and its relay."""
    relay = ScriptedServer(
        tls=fortress.context(),
        extensions=("PIPELINING", "SIZE 10000000", "8BITMIME", "SMTPUTF8", "STARTTLS", "AUTH PLAIN"),
    )
    async with relay, TcpProxy(fortress.valkey.port, tls=fortress.context()) as redis:
        url = f"rediss://{fortress.username}:{fortress.password}@{LOOPBACK}:{redis.port}/0"
        line = RealPipeline(
            partitions=1, variables=_variables(fortress, url, relay.port), kafka=fortress.kafka
        )
        kafka = line.settings.kafka.model_dump() | {
            "security": "SASL_SSL",
            "username": fortress.username,
            "password": fortress.password,
            "ca_file": fortress.ca_file,
        }
        line.settings.kafka = KafkaSettings.model_validate(kafka)
        line.settings.redis = RedisSettings(
            url=SecretStr(url), prefix=f"{line.name}:", ca_file=fortress.ca_file
        )
        async with line:
            yield line, relay


def _variables(fortress: Fortress, redis_url: str, smtp_port: int) -> Mapping[str, str]:
    return {
        "TOCSIN_KAFKA__SECURITY": "SASL_SSL",
        "TOCSIN_KAFKA__SASL_MECHANISM": "SCRAM-SHA-512",
        "TOCSIN_KAFKA__USERNAME": fortress.username,
        "TOCSIN_KAFKA__PASSWORD": fortress.password,
        "TOCSIN_KAFKA__CA_FILE": str(fortress.ca_file),
        "TOCSIN_REDIS__URL": redis_url,
        "TOCSIN_REDIS__CA_FILE": str(fortress.ca_file),
        "TOCSIN_SMTP__PORT": str(smtp_port),
        "TOCSIN_SMTP__SECURITY": "starttls",
        "TOCSIN_SMTP__CA_FILE": str(fortress.ca_file),
        "TOCSIN_SMTP__USERNAME": fortress.username,
        "TOCSIN_SMTP__PASSWORD": fortress.password,
    }


def _keystore(authority: trustme.CA, path: Path) -> Path:
    """Kafka reads keys as PKCS #8 only."""
    issued = authority.issue_cert(LOOPBACK)
    key = load_pem_private_key(issued.private_key_pem.bytes(), None)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    path.write_bytes(pem + b"".join(blob.bytes() for blob in issued.cert_chain_pems))
    return path
