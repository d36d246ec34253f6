"""Secrets in files, as an orchestrator mounts them."""

from pathlib import Path

import pytest

from service import settings


def test_secrets_are_read_from_files_named_as_the_variables(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One file a secret, nested as the variables are; a variable that is set wins."""
    (tmp_path / "TOCSIN_KAFKA__PASSWORD").write_text("of-kafka")
    (tmp_path / "TOCSIN_AUTH__SECRET").write_text("of-the-api")
    (tmp_path / "TOCSIN_SMTP__PASSWORD").write_text("of-the-relay")
    monkeypatch.setenv("TOCSIN_SECRETS_DIR", str(tmp_path))
    monkeypatch.setenv("TOCSIN_SMTP__PASSWORD", "of-the-environment")
    monkeypatch.setenv("TOCSIN_KAFKA__USERNAME", "tocsin")

    loaded = settings.load()

    assert loaded.kafka.password.get_secret_value() == "of-kafka"
    assert loaded.kafka.username == "tocsin"
    assert loaded.auth.secret.get_secret_value() == "of-the-api"
    assert loaded.smtp.password.get_secret_value() == "of-the-environment"


def test_no_folder_is_no_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the variable, nothing is read from files."""
    monkeypatch.delenv("TOCSIN_SECRETS_DIR", raising=False)

    assert settings.load().auth.secret.get_secret_value() == ""
