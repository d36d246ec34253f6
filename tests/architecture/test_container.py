"""What the image and its compose file promise about who runs, and what may be written."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]

ROOT = Path(__file__).parents[2]
IMAGE = (ROOT / "Dockerfile").read_text("utf-8")
FINAL_STAGE = IMAGE[IMAGE.rindex("\nFROM ") :]
SERVICES: dict[str, dict[str, Any]] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
OURS = [name for name, service in SERVICES.items() if service.get("image") == "tocsin:local"]


def test_the_image_runs_as_nobody_special() -> None:
    """The last USER is a number other than 0, so that an orchestrator can check it too."""
    users = re.findall(r"^USER (\S+)$", FINAL_STAGE, re.MULTILINE)

    assert users
    assert users[-1].split(":")[0].isdecimal()
    assert int(users[-1].split(":")[0]) > 0
    assert "RUN" not in FINAL_STAGE.split("\nUSER")[-1]


def test_the_image_writes_nothing_of_its_own() -> None:
    """No bytecode, no home, no volume, no compiler left: the root may be read-only."""
    assert "PYTHONDONTWRITEBYTECODE=1" in FINAL_STAGE
    assert "--home-dir /nonexistent" in FINAL_STAGE
    assert not re.search(r"^(VOLUME|ADD) ", IMAGE, re.MULTILINE)
    assert "apt-get" not in FINAL_STAGE


def test_dependencies_are_those_of_the_lock_file() -> None:
    """Every package of the image was named with its hash."""
    assert "--require-hashes -r requirements.lock" in IMAGE
    assert "--no-deps ." in IMAGE


def test_no_secret_is_in_the_image_or_the_compose_file() -> None:
    """Secrets come from outside, and are asked for where they are missing."""
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


def test_nothing_listens_beyond_this_machine() -> None:
    """Published ports are on loopback: what stands before the API is somebody's choice, not our default."""
    ports = [port for service in SERVICES.values() for port in service.get("ports", ())]

    assert ports
    assert all(str(port).startswith("127.0.0.1:") for port in ports)
