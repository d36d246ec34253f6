"""Profiles: files of settings for one installation each, `~/.config/tocsin/NAME.toml`.

A profile holds settings by the names that docs/settings.md has, in lower case, without `TOCSIN_`, nested as tables:

    mode = "production"
    [kafka]
    bootstrap = "broker-1:9092,broker-2:9092"
"""

import re
import tomllib
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, SecretStr

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_OTHERS_READ = 0o044


class ProfileError(Exception):
    """A profile that cannot be used; the text is one line without any value."""


def profile_path(name: str, environment: Mapping[str, str]) -> Path:
    """Return the file of a profile, below XDG_CONFIG_HOME or `~/.config`. Raise ProfileError for what is no name."""
    if not _NAME.fullmatch(name):
        raise ProfileError(
            f"{name!r} is not the name of a profile: letters, digits, dot, dash and underscore"
        )
    home = environment.get("XDG_CONFIG_HOME") or Path.home() / ".config"
    return Path(home) / "tocsin" / f"{name}.toml"


def read_profile(path: Path, model: type[BaseModel]) -> dict[str, Any]:
    """Return the settings in a file. Raise ProfileError for no file, no TOML, and a name that `model` does not have."""
    try:
        document = tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        raise ProfileError(f"there is no profile {path}") from None
    except OSError as error:
        raise ProfileError(f"{path}: cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ProfileError(f"{path}: not TOML: {error}") from error
    for name, near in _unknown(document, model):
        hint = f"; did you mean {near}?" if near else ""
        raise ProfileError(f"{path}: there is no setting {name}{hint}")
    return document


def exposed_secrets(path: Path, document: Mapping[str, Any], model: type[BaseModel]) -> bool:
    """Return whether a profile holds a secret, and users other than its owner may read the file."""
    return bool(path.stat().st_mode & _OTHERS_READ) and _has_secret(document, model)


def _unknown(
    document: Mapping[str, Any], model: type[BaseModel], above: str = ""
) -> Iterator[tuple[str, str]]:
    """Yield each name that the model does not have, with the nearest one that it has, or an empty string."""
    for name, value in document.items():
        field = model.model_fields.get(name)
        if field is None:
            near = get_close_matches(name, model.model_fields, n=1, cutoff=0.5)
            yield f"{above}{name}", f"{above}{near[0]}" if near else ""
        elif (inner := _model_in(field.annotation)) is not None:
            for one in value if isinstance(value, list) else [value]:
                if isinstance(one, dict):
                    yield from _unknown(one, inner, f"{above}{name}.")


def _has_secret(value: Any, annotation: Any) -> bool:
    inner = _model_in(annotation)
    if isinstance(value, list):
        return any(_has_secret(one, annotation) for one in value)
    if isinstance(value, dict) and inner is not None:
        return any(
            name in inner.model_fields and _has_secret(one, inner.model_fields[name].annotation)
            for name, one in value.items()
        )
    return bool(value) and _mentions(annotation, SecretStr)


def _model_in(annotation: Any) -> type[BaseModel] | None:
    """Return the model of a section, or of the items of a list of sections; None for any other setting."""
    for one in (annotation, *get_args(annotation)):
        if isinstance(one, type) and issubclass(one, BaseModel):
            return one
    return None


def _mentions(annotation: Any, wanted: type) -> bool:
    return annotation is wanted or any(_mentions(one, wanted) for one in get_args(annotation))
