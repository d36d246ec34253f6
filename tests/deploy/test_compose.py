"""The compose file of a small production: secrets as files, limits, no port but the proxy's."""

import re
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]
from pydantic import SecretStr

from service.settings import Settings
from streams.worker.stage_table import STAGES
from tests.support.paths import ROOT
from tests.unit.test_settings import SETTINGS, variable

FOLDER = ROOT / "ops" / "compose"
FILE: dict[str, Any] = yaml.safe_load((FOLDER / "production.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = FILE["services"]
OURS = {name: service for name, service in SERVICES.items() if service["image"].startswith("${IMAGE")}
WORKERS = {name: service for name, service in OURS.items() if service["command"][0] == "worker"}


@pytest.mark.parametrize("name", SERVICES)
def test_every_container_has_limits(name: str) -> None:
    """Memory, log size, capabilities and privileges; each long-running one is started again."""
    service = SERVICES[name]

    assert re.fullmatch(r"\d+[mg]", service["mem_limit"])
    assert service["logging"]["options"]["max-size"]
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["restart"] == ("no" if name == "topics" else "unless-stopped")
    assert re.search(r"\$\{IMAGE:\?|:(?!latest)[\w.-]+$", service["image"])


@pytest.mark.parametrize("name", OURS)
def test_our_containers_write_nothing_and_know_no_secret_from_the_environment(name: str) -> None:
    """Read-only root, /tmp only; secrets are files under the names of settings."""
    service = OURS[name]
    secrets = {variable(place) for place in SETTINGS if _is_secret(place)}

    assert (service["read_only"], service["tmpfs"], "user" in service) == (True, ["/tmp"], False)
    assert service["environment"]["TOCSIN_SECRETS_DIR"] == "/run/secrets"
    assert not secrets & service["environment"].keys()
    assert (
        secrets
        >= set(service["secrets"])
        >= {"TOCSIN_REDIS__URL", "TOCSIN_AUTH__SECRET", "TOCSIN_MAIL__SECRETS"}
    )
    assert not secrets & set(re.findall(r"^(\w+)=", (FOLDER / "tocsin.env").read_text(), re.MULTILINE))
    assert all(FILE["secrets"][secret]["file"] == f"secrets/{secret}" for secret in service["secrets"])


def _is_secret(place: tuple[str, ...]) -> bool:
    annotation: Any = Settings
    for part in place:
        annotation = annotation.model_fields[part].annotation
    return SecretStr.__name__ in repr(annotation)


def test_every_stage_is_run_by_one_service() -> None:
    """Two containers share the email, and each worker may drain before it is killed."""
    run = [stage for service in WORKERS.values() for stage in service["command"][2].split(",")]

    assert sorted(run) == sorted(STAGES)
    assert WORKERS["email"]["scale"] == 2
    assert all(service["stop_grace_period"] == "90s" for service in WORKERS.values())
    assert all(service["healthcheck"]["test"][0] == "CMD" for service in WORKERS.values())
    assert all(service["depends_on"]["topics"] for name, service in OURS.items() if name != "topics")


def test_only_the_proxy_and_the_bounce_listener_are_reachable() -> None:
    """The listener only with its profile; Kafka and Redis are in a network without a way out."""
    published = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}

    assert published == {"caddy": ["80:80", "443:443"], "bounces": ["25:2525"]}
    assert SERVICES["bounces"]["profiles"] == ["bounces"]
    assert FILE["networks"]["inside"]["internal"] is True
    assert SERVICES["kafka"]["networks"] == SERVICES["redis"]["networks"] == ["inside"]


def test_the_api_believes_the_proxy_only() -> None:
    """The address of Caddy is fixed, and the one whose X-Forwarded-For counts; it leads to the API's port."""
    address = SERVICES["caddy"]["networks"]["outside"]["ipv4_address"]

    assert OURS["api"]["environment"]["TOCSIN_HTTP__FORWARDED_ALLOW_IPS"] == address
    assert f"api:{SETTINGS['http', 'port']}" in (FOLDER / "Caddyfile").read_text()


def test_redis_keeps_what_it_holds() -> None:
    """An append-only file in a volume, a password, no eviction below the container's memory."""
    command, secrets = SERVICES["redis"]["command"], SERVICES["redis"]["secrets"]

    assert command[1] == f"/run/secrets/{secrets[0]}"
    options = dict(zip(command[2::2], command[3::2], strict=True))
    assert (options["--appendonly"], options["--maxmemory-policy"]) == ("yes", "noeviction")
    assert int(options["--maxmemory"].removesuffix("gb")) < int(
        SERVICES["redis"]["mem_limit"].removesuffix("g")
    )
    assert SERVICES["redis"]["volumes"] == ["redis:/data"]


def test_no_mail_catcher() -> None:
    """Mail goes to a relay, which the settings name."""
    assert "mailpit" not in SERVICES
    assert re.search(r"^TOCSIN_SMTP__HOST=", (FOLDER / "tocsin.env").read_text(), re.MULTILINE)
