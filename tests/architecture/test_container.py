"""The image and the compose file: the user, what may be written, what is published."""

import re
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]

from streams.worker.stage_table import STAGES
from tests.support.paths import ROOT

IMAGE = (ROOT / "Dockerfile").read_text("utf-8")
FINAL_STAGE = IMAGE[IMAGE.rindex("\nFROM ") :]
SERVICES: dict[str, dict[str, Any]] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
OURS = [name for name, service in SERVICES.items() if service.get("image") == "tocsin:local"]


def test_the_image_runs_without_root() -> None:
    """The last USER is a number other than 0, so that an orchestrator can verify it too."""
    users = re.findall(r"^USER (\S+)$", FINAL_STAGE, re.MULTILINE)

    assert users
    assert users[-1].split(":")[0].isdecimal()
    assert int(users[-1].split(":")[0]) > 0
    assert "RUN" not in FINAL_STAGE.split("\nUSER")[-1]


def test_every_image_is_pinned_by_a_tag() -> None:
    """Images built or run today are those that were tested: no `latest`, and no image without a tag."""
    named = re.findall(r"^FROM (\S+)", IMAGE, re.MULTILINE)
    named += [service["image"] for service in SERVICES.values()]

    assert len(named) >= 5
    assert all(re.fullmatch(r"[a-z0-9/.-]+:(?!latest)\S+", name) for name in named)


def test_every_container_has_a_health_check() -> None:
    """The image has one, run by tests/e2e/test_container_limits.py, and so has every long-running service of ours."""
    assert re.search(r'^HEALTHCHECK .*CMD \["python"', FINAL_STAGE, re.MULTILINE)
    staying = [SERVICES[name] for name in OURS if SERVICES[name].get("restart") != "no"]
    assert all("healthcheck" in service for service in staying)


def test_the_image_writes_nothing_of_its_own() -> None:
    """The root may be read-only: no bytecode, no home, no volume, no compiler in the final stage."""
    assert "PYTHONDONTWRITEBYTECODE=1" in FINAL_STAGE
    assert "--home-dir /nonexistent" in FINAL_STAGE
    assert not re.search(r"^(VOLUME|ADD) ", IMAGE, re.MULTILINE)
    assert "apt-get" not in FINAL_STAGE


def test_dependencies_are_those_of_the_lock_file() -> None:
    """Every package of the image is installed from the lock file, with its hash."""
    assert "--require-hashes -r requirements.lock" in IMAGE
    assert "--no-deps ." in IMAGE


def test_nothing_can_be_installed_into_the_image() -> None:
    """Python 3.13 or newer in both stages; no pip in the environment, and none in the final stage."""
    versions = re.findall(r"^FROM python:3\.(\d+)-slim", IMAGE, re.MULTILINE)

    assert len(versions) == 2
    assert len(set(versions)) == 1
    assert int(versions[0]) >= 13
    assert "venv --without-pip" in IMAGE
    assert "pip uninstall --yes" in FINAL_STAGE


def test_the_image_says_where_it_comes_from() -> None:
    """Labels of the OCI image specification; a release sets source, version and revision."""
    labels = set(re.findall(r'org\.opencontainers\.image\.(\w+)="', FINAL_STAGE))
    release = (ROOT / ".github" / "workflows" / "release.yml").read_text()

    assert labels >= {"title", "licenses", "source", "version", "revision"}
    for argument in ("SOURCE", "VERSION", "REVISION"):
        assert f'ARG {argument}=""' in FINAL_STAGE
        assert f"{argument}=${{{{" in release
    assert "linux/amd64,linux/arm64" in release
    assert "sbom: true" in release


def test_the_data_of_the_servers_outlive_their_containers() -> None:
    """Kafka writes below the folder of its volume, and Redis to the folder in which its image starts it."""
    folders = {
        name: {volume.split(":")[1] for volume in SERVICES[name]["volumes"]} for name in ("kafka", "redis")
    }
    assert SERVICES["kafka"]["environment"]["KAFKA_LOG_DIRS"] in folders["kafka"]
    assert folders["redis"] == {"/data"}


def test_no_secret_is_in_the_image_or_the_compose_file() -> None:
    """Secrets come from the environment; the compose file fails with a message when one is missing."""
    assert not re.search(r"(SECRET|PASSWORD|KEY)=\S", IMAGE)
    for name in OURS:
        for variable, value in SERVICES[name]["environment"].items():
            secret = re.search(r"SECRET|PASSWORD", variable)
            assert not secret or str(value).startswith("${"), f"{name}: {variable}"


@pytest.mark.parametrize("name", OURS)
def test_containers_may_write_to_tmp_only(name: str) -> None:
    """Read-only root, no capabilities, no new privileges, nothing mounted."""
    service = SERVICES[name]

    assert service["read_only"] is True
    assert service["tmpfs"] == ["/tmp"]
    assert service["cap_drop"] == ["ALL"]
    assert "no-new-privileges:true" in service["security_opt"]
    assert "volumes" not in service
    assert "privileged" not in service
    assert "user" not in service


def test_every_stage_is_run_by_one_service() -> None:
    """Each stage that a worker can run is in the compose file once, in a service with a health check."""
    commands = {name: service.get("command", []) for name, service in SERVICES.items() if name in OURS}
    run = {name: command[2].split(",") for name, command in commands.items() if command[:1] == ["worker"]}

    assert sorted(stage for stages in run.values() for stage in stages) == sorted(STAGES)
    assert all(SERVICES[name]["healthcheck"]["test"][0] == "CMD" for name in run)


def test_the_bounce_listener_is_reachable_and_can_verify() -> None:
    """The listener has a published port, and the domain and secrets of all workers."""
    service = SERVICES["bounces"]
    settings, theirs = service["environment"], SERVICES["email"]["environment"]

    port = settings["TOCSIN_BOUNCES__PORT"]
    assert settings["TOCSIN_BOUNCES__HOST"] == "0.0.0.0"
    assert [published.split(":")[-1] for published in service["ports"]] == [port]
    assert port in service["healthcheck"]["test"][-1]
    for name in ("TOCSIN_MAIL__BOUNCE_DOMAIN", "TOCSIN_MAIL__SECRETS"):
        assert settings[name] == theirs[name] == SERVICES["api"]["environment"][name]


def test_nothing_listens_beyond_this_machine() -> None:
    """Published ports are on loopback: the proxy in front of the API is the operator's choice, not a default."""
    ports = [port for service in SERVICES.values() for port in service.get("ports", ())]

    assert ports
    assert all(str(port).startswith("127.0.0.1:") for port in ports)
