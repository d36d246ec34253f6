"""Kafka, Redis and a relay that require TLS and a password, with certificates of a private authority."""

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
from service.dev.ports import LOOPBACK, free_port
from service.dev.valkey import EmbeddedValkey
from service.settings import KafkaSettings, RedisSettings
from tests.support.real_pipeline import RealPipeline
from tests.support.smtp_server import ScriptedServer
from tests.support.tcp_proxy import TcpProxy


@dataclass(frozen=True)
class TlsStack:
    """The servers and their authority. The password is random, so that a log can be searched for it."""

    authority: trustme.CA
    ca_file: Path
    other_ca_file: Path
    kafka: EmbeddedKafka
    valkey: EmbeddedValkey
    username: str
    password: str

    def context(self) -> ssl.SSLContext:
        """Return a server's side of TLS, for 127.0.0.1."""
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self.authority.issue_cert(LOOPBACK).configure_cert(context)
        return context


@dataclass(frozen=True)
class Authority:
    """A private authority's certificate, and a server's key and certificates by it, in files."""

    ca_file: Path
    keystore: Path


def authority_in(directory: Path) -> Authority:
    """Create an authority, and the certificate of a server on 127.0.0.1."""
    authority, ca_file = trustme.CA(), directory / "ca.pem"
    authority.cert_pem.write_to_path(ca_file)
    return Authority(ca_file, _keystore(authority, directory / "kafka.pem"))


@contextmanager
def tls_stack(directory: Path) -> Iterator[TlsStack]:
    """Start the servers, all but the relay.

    The embedded Valkey is built without TLS: `tls_pipeline` puts a proxy before it that ends TLS. Its users are real.
    """
    authority, password = trustme.CA(), token_hex(16)
    ca_file, other_ca_file = directory / "ca.pem", directory / "other-ca.pem"
    authority.cert_pem.write_to_path(ca_file)
    trustme.CA().cert_pem.write_to_path(other_ca_file)
    secured = BrokerSecurity(_keystore(authority, directory / "kafka.pem"), "tocsin", password, free_port())
    rights = ["~*", "&*", "+@all", "-@dangerous", "+info"]  # as docs/security.md advises
    users = ["--user", "default", "off", "--user", "tocsin", "on", f">{password}", *rights]
    with (
        EmbeddedKafka(directory / "kafka", secured=secured) as kafka,
        EmbeddedValkey(directory / "valkey", extra=users) as valkey,
    ):
        yield TlsStack(authority, ca_file, other_ca_file, kafka, valkey, "tocsin", password)


@asynccontextmanager
async def tls_pipeline(tls_stack: TlsStack) -> AsyncIterator[tuple[RealPipeline, ScriptedServer]]:
    """Yield a pipeline whose every connection is encrypted and authenticated, and its relay."""
    relay = ScriptedServer(
        tls=tls_stack.context(),
        extensions=("PIPELINING", "SIZE 10000000", "8BITMIME", "SMTPUTF8", "STARTTLS", "AUTH PLAIN"),
    )
    async with relay, TcpProxy(tls_stack.valkey.port, tls=tls_stack.context()) as redis:
        url = f"rediss://{tls_stack.username}:{tls_stack.password}@{LOOPBACK}:{redis.port}/0"
        pipeline = RealPipeline(
            partitions=1, variables=_variables(tls_stack, url, relay.port), kafka=tls_stack.kafka
        )
        kafka = pipeline.settings.kafka.model_dump() | {
            "security": "SASL_SSL",
            "username": tls_stack.username,
            "password": tls_stack.password,
            "ca_file": tls_stack.ca_file,
        }
        pipeline.settings.kafka = KafkaSettings.model_validate(kafka)
        pipeline.settings.redis = RedisSettings(
            url=SecretStr(url), prefix=f"{pipeline.name}:", ca_file=tls_stack.ca_file
        )
        async with pipeline:
            yield pipeline, relay


def _variables(tls_stack: TlsStack, redis_url: str, smtp_port: int) -> Mapping[str, str]:
    return {
        "TOCSIN_KAFKA__SECURITY": "SASL_SSL",
        "TOCSIN_KAFKA__SASL_MECHANISM": "SCRAM-SHA-512",
        "TOCSIN_KAFKA__USERNAME": tls_stack.username,
        "TOCSIN_KAFKA__PASSWORD": tls_stack.password,
        "TOCSIN_KAFKA__CA_FILE": str(tls_stack.ca_file),
        "TOCSIN_REDIS__URL": redis_url,
        "TOCSIN_REDIS__CA_FILE": str(tls_stack.ca_file),
        "TOCSIN_SMTP__PORT": str(smtp_port),
        "TOCSIN_SMTP__SECURITY": "starttls",
        "TOCSIN_SMTP__CA_FILE": str(tls_stack.ca_file),
        "TOCSIN_SMTP__USERNAME": tls_stack.username,
        "TOCSIN_SMTP__PASSWORD": tls_stack.password,
    }


def _keystore(authority: trustme.CA, path: Path) -> Path:
    """Write key and certificates of a server in PEM, the key as PKCS #8, the only form that Kafka reads."""
    issued = authority.issue_cert(LOOPBACK)
    key = load_pem_private_key(issued.private_key_pem.bytes(), None)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    path.write_bytes(pem + b"".join(blob.bytes() for blob in issued.cert_chain_pems))
    return path
