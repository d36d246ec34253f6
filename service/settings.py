"""Settings: the only place that reads the environment. `TOCSIN_`, nested by `__`, secrets also from files."""

import os
from functools import cache
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

DEV_SECRET = "tocsin-dev-only-secret-never-use-elsewhere"  # noqa: S105 - refused outside `tocsin dev`


class Kafka(BaseModel):
    """Where the log is. `prefix` goes before every topic name that Tocsin owns and before group ids."""

    bootstrap: str = "127.0.0.1:9092"
    prefix: str = ""
    events: tuple[str, ...] = ("events",)
    events_pattern: str = ""
    partitions: int = Field(default=6, ge=1)
    replication: int = Field(default=1, ge=1)
    security: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = "SCRAM-SHA-512"
    username: str = ""
    password: SecretStr = SecretStr("")
    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None


class Redis(BaseModel):
    """Where tables, ledger and inboxes are. Timeouts in seconds."""

    url: SecretStr = SecretStr("redis://127.0.0.1:6379/0")
    cluster: bool = False
    prefix: str = "tocsin:"
    timeout: float = 2.0
    ca_file: Path | None = None


class RelaySettings(BaseModel):
    """One relay; see the SMTP adapter for what each limit does."""

    name: str = ""
    host: str = "127.0.0.1"
    port: int = 1025
    username: str = ""
    password: SecretStr = SecretStr("")
    security: Literal["none", "starttls", "tls"] = "none"
    ca_file: Path | None = None
    verify: bool = True
    max_connections: int = Field(default=10, ge=1)
    max_mails_per_connection: int = Field(default=1000, ge=1)
    rate: float | None = None


class Smtp(RelaySettings):
    """The first relay, and in `fallbacks` those that are tried after it, in order."""

    fallbacks: tuple[RelaySettings, ...] = ()
    local_hostname: str = "localhost"
    domain_concurrency: int = Field(default=20, ge=1)


class Mail(BaseModel):
    """What a mail says about its sender. `site` is the only base of links to the product."""

    sender: str = "notifications@tocsin.test"
    sender_name: str = "Tocsin"
    bounce_address: str = ""
    list_domain: str = "tocsin.test"
    product: str = "Tocsin"
    site: str = "https://tocsin.test"
    unsubscribe_base: str = "http://127.0.0.1:8000"


class Http(BaseModel):
    """Where the API listens, and what stands before it."""

    host: str = "127.0.0.1"
    port: int = 8000
    root_path: str = ""
    forwarded_allow_ips: str = "127.0.0.1"


class Auth(BaseModel):
    """Who may call the API. `skew` in seconds."""

    secret: SecretStr = SecretStr("")
    jwks_url: str = ""
    algorithms: tuple[Literal["HS256", "RS256", "ES256"], ...] = ("HS256",)
    audience: str = "tocsin"
    skew: int = 60


class Worker(BaseModel):
    """What a worker runs and how much it holds. Times in seconds."""

    stages: tuple[str, ...] = ("resolve", "inbox", "email", "schedule")
    max_records: int = Field(default=500, ge=1)
    max_batches: int = Field(default=4, ge=1)
    drain: float = 20.0
    stalled_after: float = 120.0
    metrics_port: int = 0


class Dev(BaseModel):
    """Ports of the embedded stack, all on loopback."""

    kafka_port: int = 9092
    redis_port: int = 6379
    smtp_port: int = 1025
    mail_port: int = 8025
    http_port: int = 8000


class Templates(BaseModel):
    """Where templates and catalogue are; None means those that come with Tocsin."""

    directory: Path | None = None
    locale: str = "en"


class Settings(BaseSettings):
    """Everything that can be set."""

    model_config = SettingsConfigDict(env_prefix="TOCSIN_", env_nested_delimiter="__", extra="ignore")

    mode: Literal["dev", "production"] = "production"
    kafka: Kafka = Kafka()
    redis: Redis = Redis()
    smtp: Smtp = Smtp()
    mail: Mail = Mail()
    http: Http = Http()
    auth: Auth = Auth()
    worker: Worker = Worker()
    dev: Dev = Dev()
    templates: Templates = Templates()
    mandatory: tuple[str, ...] = ()
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    log_format: Literal["json", "console"] = "json"
    fault_at: str = ""


def load() -> Settings:
    """The settings of this process. Raises pydantic.ValidationError naming what is wrong.

    `TOCSIN_SECRETS_DIR` names a folder with one file a secret (`TOCSIN_AUTH__SECRET`, …).
    """
    return Settings(_secrets_dir=os.environ.get("TOCSIN_SECRETS_DIR"))


@cache
def templates_directory() -> Path:
    """The templates that come with Tocsin: in the wheel beside this file, in a checkout one folder up."""
    packaged = Path(__file__).parent / "_templates"
    return packaged if packaged.is_dir() else Path(__file__).parent.parent / "templates"
