"""Where settings come from: the environment, files of secrets, a profile."""

import os
from collections.abc import Mapping
from typing import Any

from pydantic_settings import EnvSettingsSource, NestedSecretsSettingsSource, SecretsSettingsSource

from service.settings import Settings, profile_settings
from service.settings.profile import exposed_secrets, profile_path


def use_profile(name: str) -> None:
    """Read this profile's settings in this process and in those that it starts."""
    os.environ["TOCSIN_PROFILE"] = name


def profile_names() -> list[str]:
    """Return the names of the profiles that exist."""
    return sorted(file.stem for file in profile_path("x", os.environ).parent.glob("*.toml"))


def profile_warning() -> str:
    """Return what is wrong with the mode of the profile's file; empty where nothing is. Raise ProfileError."""
    if not (document := profile_settings()):
        return ""
    path = profile_path(os.environ["TOCSIN_PROFILE"], os.environ)
    if not exposed_secrets(path, document, Settings):
        return ""
    return f"{path} holds secrets and other users may read it: chmod 600 {path}"


def setting_origins() -> Mapping[str, Mapping[str, Any]]:
    """Return the settings that are set, nested, by where they are set, in the order of precedence."""
    folder = os.environ.get("TOCSIN_SECRETS_DIR")
    files = NestedSecretsSettingsSource(
        SecretsSettingsSource(Settings, folder), secrets_prefix="TOCSIN_", secrets_nested_delimiter="__"
    )
    profile = f"profile {os.environ.get('TOCSIN_PROFILE', '')}"
    return {
        "environment": EnvSettingsSource(Settings)(),
        "secret file": files() if folder else {},
        profile: profile_settings(),
    }
