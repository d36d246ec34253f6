"""Settings from environment variables: prefix `TOCSIN_`, nested by `__`; secrets also from files.

No other module reads the environment. docs/settings.md describes every setting.
"""

import os
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, Field, PrivateAttr, SecretStr, field_validator, model_validator
from pydantic_settings import (
    BaseSettings,
    InitSettingsSource,
    NestedSecretsSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from service.model.address import check_address
from service.model.event import ClockBound
from service.model.urls import origin_patterns
from service.model.validators import networks_in
from service.pages.brand import BrandFields
from service.settings.console import ConsoleSettings
from service.settings.limits import LimitSettings
from service.settings.profile import profile_path, read_profile
from service.settings.relays import SmtpSettings

_LOOPBACK_ORIGINS = "http://127.0.0.1:*, http://localhost:*"
DEV_SECRET = "tocsin-dev-only-secret-never-use-elsewhere"  # noqa: S105 - refused outside `tocsin dev`


class KafkaSettings(BaseModel):
    """Connection to Kafka. `prefix` is put before the names of Tocsin's topics and before consumer group ids."""

    bootstrap: str = "127.0.0.1:9092"
    prefix: str = ""
    events: tuple[str, ...] = ("events",)
    events_pattern: str = ""
    partitions: int = Field(default=6, ge=1)
    replication: int = Field(default=1, ge=1)
    min_insync_replicas: int | None = Field(default=None, ge=1)
    security: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = "SCRAM-SHA-512"
    username: str = ""
    password: SecretStr = SecretStr("")
    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None

    @model_validator(mode="after")
    def _replicas_in_sync(self) -> Self:
        # Three replicas are there to outlive any one broker: so none of them may acknowledge alone.
        if self.min_insync_replicas is None and self.replication > 2:
            self.min_insync_replicas = 2
        if (self.min_insync_replicas or 1) > self.replication:
            raise ValueError("min_insync_replicas is more than replication: no write would be accepted")
        return self


class RedisSettings(BaseModel):
    """Connection to Redis or Valkey, which holds tables, ledger and inboxes. `timeout` is in seconds.

    `url` names a server, the seed servers of a cluster, or sentinels, which have credentials of their own.
    """

    url: SecretStr = SecretStr("redis://127.0.0.1:6379/0")
    sentinel_username: str = ""
    sentinel_password: SecretStr = SecretStr("")
    cluster: bool = False
    prefix: str = "tocsin:"
    timeout: float = 2.0
    ca_file: Path | None = None


class MailSettings(BaseModel):
    """Sender, links and signatures of email. `site` is the only base of links to the product, except for a brand's own.

    `secrets` sign unsubscribe links and bounce addresses: the first signs, all verify, so that a secret can be
    rotated. Without secrets, email has no unsubscribe link. With `bounce_domain`, each message has its own signed
    envelope sender in that domain, which authenticates a bounce. Links are valid for `unsubscribe_days` days.

    `dkim_key` is an RSA private key in PEM for the sender's domain; without it, email is not signed. `limit_per_hour`
    and `limit_per_day`: the most mails that a recipient gets; 0 for no limit.
    """

    sender: str = "notifications@tocsin.test"
    sender_name: str = "Tocsin"
    bounce_address: str = ""
    bounce_domain: str = ""
    secrets: tuple[Annotated[SecretStr, Field(min_length=16)], ...] = ()
    list_domain: str = "tocsin.test"
    product: str = "Tocsin"
    site: str = "https://tocsin.test"
    unsubscribe_base: str = "http://127.0.0.1:8000"
    unsubscribe_days: int = Field(default=90, ge=1)
    dkim_selector: str = "tocsin"
    dkim_key: SecretStr = SecretStr("")
    limit_per_hour: int = Field(default=0, ge=0, le=100_000)
    limit_per_day: int = Field(default=0, ge=0, le=100_000)

    @field_validator("sender", "bounce_address")
    @classmethod
    def _check_address(cls, address: str) -> str:
        """Refuse at start what would be refused with each message."""
        return check_address(address) if address else ""

    @field_validator("bounce_domain")
    @classmethod
    def _check_domain(cls, domain: str) -> str:
        """Refuse a domain that no envelope sender can be in."""
        if domain:
            check_address(f"bounces@{domain}")
        return domain


class BrandSettings(BrandFields):
    """The look of mail and pages. `name` is the product's, else `mail.product` is.

    `overrides` is a TOML file with the brands of some sources and accounts.
    """

    overrides: Path | None = None


class BounceSettings(BaseModel):
    """SMTP listener of the stage `bounces`. `max_bytes` is the largest message that it accepts.

    More than `max_connections` clients at a time get 421. `timeout`: seconds that a client may be silent.
    """

    host: str = "127.0.0.1"
    port: int = 2525
    max_bytes: int = Field(default=1_048_576, ge=1024)
    max_connections: int = Field(default=50, ge=1)
    timeout: float = Field(default=60.0, gt=0)


class EventSettings(BaseModel):
    """Events whose `time` is more than `max_ahead` seconds ahead of their receipt: what to do with them."""

    max_ahead: int = Field(default=600, ge=0, le=86_400)
    ahead: Literal["clamp", "refuse"] = "clamp"


class HttpSettings(BaseModel):
    """Address of the API, the reverse proxies in front of it, and limits of its connections.

    `metrics_port` serves /metrics, which the API's own port does not; 0 means no metrics.
    `cors_origins`: the origins whose pages may call the API, and `forwarded_allow_ips`: addresses and networks of the
    proxies whose X-Forwarded-For is believed, both separated by commas.
    Sizes are in bytes, times in seconds. `max_connections_per_address` 0 means no limit.
    """

    host: str = "127.0.0.1"
    port: int = 8000
    root_path: str = ""
    metrics_host: str = "127.0.0.1"
    metrics_port: int = 9101
    cors_origins: str = ""
    forwarded_allow_ips: str = ""
    max_target_bytes: int = Field(default=16_384, ge=256)
    max_header_bytes: int = Field(default=32_768, ge=1024)
    max_headers: int = Field(default=100, ge=16)
    max_chunks: int = Field(default=4096, ge=16)
    max_pipelined: int = Field(default=16, ge=1)
    header_timeout: float = Field(default=10.0, gt=0)
    body_timeout: float = Field(default=30.0, gt=0)
    send_timeout: float = Field(default=30.0, gt=0)
    keep_alive_timeout: int = Field(default=5, ge=1)
    max_connections: int = Field(default=10_000, ge=1)
    max_connections_per_address: int = Field(default=1000, ge=0)

    @field_validator("forwarded_allow_ips")
    @classmethod
    def _are_networks(cls, text: str) -> str:
        networks_in(text)
        return text

    @field_validator("cors_origins")
    @classmethod
    def _are_origins(cls, text: str) -> str:
        origin_patterns(text)
        return text


class AuthSettings(BaseModel):
    """Verification of bearer tokens. `skew` and `jwks_stale` are in seconds.

    `earlier_secrets` verify HS256 tokens as `secret` does, while callers change over to tokens that it signs.
    `jwks_stale`: how long the issuer's keys stay in use while they cannot be fetched again. `token_secrets` sign the
    short-lived inbox tokens that the API gives out: the first signs, all verify; without any, `secret` does.
    """

    secret: SecretStr = SecretStr("")
    earlier_secrets: tuple[SecretStr, ...] = ()
    token_secrets: tuple[SecretStr, ...] = ()
    jwks_url: str = ""
    algorithms: tuple[Literal["HS256", "RS256", "ES256"], ...] = ()
    audience: str = "tocsin"
    skew: int = 60
    jwks_stale: float = Field(default=3600.0, ge=0)

    @property
    def shared_secrets(self) -> tuple[str, ...]:
        """Return the secrets that HS256 tokens may be signed with, the current one first."""
        secrets = (secret.get_secret_value() for secret in (self.secret, *self.earlier_secrets))
        return tuple(filter(None, secrets))

    @property
    def inbox_token_secrets(self) -> tuple[str, ...]:
        """Return the secrets of inbox tokens, newest first; none where the API cannot give any out."""
        secrets = tuple(secret.get_secret_value() for secret in self.token_secrets or (self.secret,))
        return tuple(secret for secret in secrets if secret)

    @property
    def accepted_algorithms(self) -> tuple[str, ...]:
        """Return the algorithms that have a key: HS256 with a secret, RS256 and ES256 with a JWKS URL.

        `algorithms` leaves out those that it does not name, if it names any.
        """
        having_key = (("HS256",) if self.shared_secrets else ()) + (
            ("RS256", "ES256") if self.jwks_url else ()
        )
        return tuple(name for name in having_key if name in (self.algorithms or having_key))


class OtelSettings(BaseModel):
    """Export of traces by OTLP over HTTP; off without an endpoint. `ratio` samples the traces that begin in Tocsin."""

    endpoint: str = ""
    headers: Mapping[str, SecretStr] = Field(default_factory=dict)
    service: str = "tocsin"
    ratio: float = Field(default=1.0, ge=0, le=1)


class WorkerSettings(BaseModel):
    """Stages and limits of a worker. `drain` and `stalled_after` are in seconds; `metrics_port` 0 means no probe.

    `shell`: what hosts the services of a worker.
    """

    stages: tuple[str, ...] = ("resolve", "inbox", "email", "schedule", "tables")
    max_records: int = Field(default=500, ge=1)
    max_batches: int = Field(default=4, ge=1)
    drain: float = Field(default=60.0, ge=0)
    stalled_after: float = 120.0
    metrics_host: str = "127.0.0.1"
    metrics_port: int = 0
    shell: Literal["faust", "asyncio"] = "faust"

    @property
    def renders(self) -> bool:
        """Return whether a stage uses the templates."""
        return not {"inbox", "email"}.isdisjoint(self.stages)


class DevSettings(BaseModel):
    """Ports of the servers that `tocsin dev` starts, all on loopback."""

    kafka_port: int = 9092
    redis_port: int = 6379
    smtp_port: int = 1025
    mail_port: int = 8025
    http_port: int = 8000


class TemplateSettings(BaseModel):
    """Folder of templates and catalogue; None means those of the package. `locale` is the default language.

    `shipped`: whether the folder replaces the package's, or wins over it file by file and field by field. `reload_s`:
    seconds between looks for changed files; 0 means that only SIGHUP reloads.
    """

    directory: Path | None = None
    shipped: Literal["replaced", "merged"] = "replaced"
    locale: str = "en"
    reload_s: float = Field(default=0.0, ge=0, le=86_400)


class Settings(BaseSettings):
    """All settings of a process."""

    model_config = SettingsConfigDict(env_prefix="TOCSIN_", env_nested_delimiter="__", extra="ignore")

    mode: Literal["dev", "production"] = "production"
    kafka: KafkaSettings = Field(default_factory=KafkaSettings)
    redis: RedisSettings = Field(default_factory=RedisSettings)
    smtp: SmtpSettings = Field(default_factory=SmtpSettings)
    mail: MailSettings = Field(default_factory=MailSettings)
    brand: BrandSettings = Field(default_factory=BrandSettings)
    bounces: BounceSettings = Field(default_factory=BounceSettings)
    events: EventSettings = Field(default_factory=EventSettings)
    http: HttpSettings = Field(default_factory=HttpSettings)
    auth: AuthSettings = Field(default_factory=AuthSettings)
    console: ConsoleSettings = Field(default_factory=ConsoleSettings)
    limits: LimitSettings = LimitSettings()
    worker: WorkerSettings = Field(default_factory=WorkerSettings)
    otel: OtelSettings = Field(default_factory=OtelSettings)
    dev: DevSettings = Field(default_factory=DevSettings)
    templates: TemplateSettings = Field(default_factory=TemplateSettings)
    mandatory: tuple[str, ...] = ()
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    log_format: Literal["json", "console"] = "json"
    fault_at: str = ""

    _embedded: frozenset[str] = PrivateAttr(default=frozenset())

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Return the sources by precedence: arguments, environment, secret files named as the variables, profile."""
        files = NestedSecretsSettingsSource(
            file_secret_settings, secrets_prefix="TOCSIN_", secrets_nested_delimiter="__"
        )
        return init_settings, env_settings, files, InitSettingsSource(settings_cls, profile_settings())

    @model_validator(mode="after")
    def _follow_dev_ports(self) -> Self:
        """Default every address to the servers of `tocsin dev`, so that a second terminal needs no settings."""
        embedded = set()
        if "bootstrap" not in self.kafka.model_fields_set:
            embedded.add("kafka")
            self.kafka.bootstrap = f"127.0.0.1:{self.dev.kafka_port}"
        if "url" not in self.redis.model_fields_set:
            embedded.add("redis")
            self.redis.url = SecretStr(f"redis://127.0.0.1:{self.dev.redis_port}/0")
        if not {"host", "port"} & self.smtp.model_fields_set:
            embedded.add("smtp")
            self.smtp.port = self.dev.smtp_port
        if "port" not in self.http.model_fields_set:
            self.http.port = self.dev.http_port
        if "unsubscribe_base" not in self.mail.model_fields_set:
            self.mail.unsubscribe_base = f"http://127.0.0.1:{self.http.port}"
        self._embedded = frozenset(embedded)
        return self

    @property
    def clock_bound(self) -> ClockBound:
        """Return how far an event's `time` may be ahead, as ingest applies it."""
        return ClockBound(self.events.max_ahead, self.events.ahead == "refuse")

    @property
    def mail_secrets(self) -> tuple[str, ...]:
        """Return the secrets that sign links and bounce addresses, newest first; in dev mode at least DEV_SECRET."""
        named = tuple(secret.get_secret_value() for secret in self.mail.secrets)
        return named or ((DEV_SECRET,) if self.mode == "dev" else ())

    @property
    def cors_origins(self) -> str:
        """Return the origins whose pages may call the API; in dev mode, unless set, those of this machine."""
        return self.http.cors_origins or (_LOOPBACK_ORIGINS if self.mode == "dev" else "")

    @property
    def has_console(self) -> bool:
        """Return whether the API serves the console."""
        enabled = self.console.enabled
        return enabled if enabled is not None else self.mode == "dev" or bool(self.console.issuer)

    @property
    def embedded(self) -> frozenset[str]:
        """Return those of kafka, redis and smtp whose address is not set; `tocsin dev` starts its own for them."""
        return self._embedded


def load() -> Settings:
    """Return the settings of this process. Raise pydantic.ValidationError, which names the wrong setting.

    `TOCSIN_SECRETS_DIR` names a folder with one file for each secret (`TOCSIN_AUTH__SECRET`, …), `TOCSIN_PROFILE` a
    profile. Raise ProfileError for a profile that cannot be used.
    """
    return Settings(_secrets_dir=os.environ.get("TOCSIN_SECRETS_DIR"))


def profile_settings() -> dict[str, Any]:
    """Return the settings of the profile that `TOCSIN_PROFILE` names; nothing without one. Raise ProfileError."""
    name = os.environ.get("TOCSIN_PROFILE", "")
    return read_profile(profile_path(name, os.environ), Settings) if name else {}


@cache
def templates_directory() -> Path:
    """Return the folder of the packaged templates: in the package in a wheel, beside it in a checkout."""
    service = Path(__file__).parents[1]
    packaged = service / "_templates"
    return packaged if packaged.is_dir() else service.parent / "templates"
