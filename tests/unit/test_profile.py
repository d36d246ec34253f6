"""Profiles: settings from a file of the user's, below the environment."""

from pathlib import Path

import pytest

from service import settings
from service.cli.support.settings_view import config_rows
from service.settings import origins
from service.settings.profile import ProfileError, profile_path


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder of the profiles."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setenv("TOCSIN_PROFILE", "")  # restored at the end, whatever a test sets
    (tmp_path / "tocsin").mkdir()
    return tmp_path / "tocsin"


def _write(folder: Path, text: str, mode: int = 0o600) -> None:
    file = folder / "prod.toml"
    file.write_text(text)
    file.chmod(mode)
    origins.use_profile("prod")


def test_the_environment_wins_over_a_profile(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Setting by setting; what neither has is the default."""
    _write(folder, 'mode = "dev"\n[kafka]\nbootstrap = "b:1"\nusername = "u"\n[smtp]\nhost = "mail"\n')
    monkeypatch.setenv("TOCSIN_KAFKA__USERNAME", "of-the-environment")

    loaded = settings.load()

    assert (loaded.mode, loaded.kafka.bootstrap, loaded.smtp.host) == ("dev", "b:1", "mail")
    assert loaded.kafka.username == "of-the-environment"
    assert loaded.kafka.security == "PLAINTEXT"
    origins = {row["setting"]: row["origin"] for row in config_rows(loaded)}
    assert origins["TOCSIN_KAFKA__USERNAME"] == "environment"
    assert origins["TOCSIN_KAFKA__BOOTSTRAP"] == "profile prod"
    assert origins["TOCSIN_KAFKA__SECURITY"] == "default"


def test_values_that_are_derived_from_others_say_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """As the address of Kafka from the port of `tocsin dev`; secret files have an origin of their own."""
    monkeypatch.setenv("TOCSIN_DEV__KAFKA_PORT", "29092")

    rows = {row["setting"]: row for row in config_rows(settings.load())}

    assert rows["TOCSIN_KAFKA__BOOTSTRAP"] | {"origin": "derived"} == rows["TOCSIN_KAFKA__BOOTSTRAP"]
    assert rows["TOCSIN_KAFKA__BOOTSTRAP"]["value"] == "127.0.0.1:29092"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[kafka]\nbootstrapp = 'b:1'\n", "no setting kafka.bootstrapp; did you mean kafka.bootstrap?"),
        ("kafak = 1\n", "no setting kafak; did you mean kafka?"),
        ("zzz = 1\n", "no setting zzz"),
        (
            "[[smtp.fallbacks]]\nhots = 'x'\n",
            "no setting smtp.fallbacks.hots; did you mean smtp.fallbacks.host?",
        ),
        ("mode =", "not TOML: Invalid value"),
    ],
)
def test_an_unknown_name_is_refused(folder: Path, text: str, problem: str) -> None:
    """With the nearest name; no value is repeated."""
    _write(folder, text)

    with pytest.raises(ProfileError, match=problem) as refused:
        settings.load()
    assert str(refused.value).count("\n") == 0


@pytest.mark.parametrize("name", ["../etc", "", "a/b", ".hidden", "x" * 65])
def test_a_name_is_no_path(name: str) -> None:
    """So that a profile is always in its folder."""
    with pytest.raises(ProfileError):
        profile_path(name, {})


def test_a_missing_profile_is_named(folder: Path) -> None:
    """With its whole path."""
    origins.use_profile("nosuch")

    with pytest.raises(ProfileError, match=f"there is no profile {folder}/nosuch.toml"):
        settings.load()


@pytest.mark.parametrize(
    ("text", "mode", "warned"),
    [
        ('[kafka]\npassword = "p"\n', 0o644, True),
        ('[kafka]\npassword = "p"\n', 0o600, False),
        ('[[smtp.fallbacks]]\npassword = "p"\n', 0o640, True),
        ('[otel]\nheaders = { authorization = "t" }\n', 0o604, True),
        ('[mail]\nsecrets = ["0123456789abcdef"]\n', 0o644, True),
        ('[kafka]\nbootstrap = "b:1"\n', 0o644, False),
    ],
)
def test_a_secret_that_others_can_read_is_warned_of(folder: Path, text: str, mode: int, warned: bool) -> None:
    """Only a file that holds one."""
    _write(folder, text, mode)

    assert ("chmod 600" in origins.profile_warning()) == warned
