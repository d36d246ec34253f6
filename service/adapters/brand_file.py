"""The brands: the default from the settings, the others from a TOML file with one table for each."""

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from service.pages.brand import KEY, Brands, BrandTable, default_brand
from service.settings import BrandSettings, MailSettings

_NO_BRAND = BrandSettings()


class BrandError(Exception):
    """Brands that cannot be used; the text is one line that names the file, the table and the field."""


def load_brands(mail: MailSettings, brand: BrandSettings = _NO_BRAND) -> Brands:
    """Return the brands. Raise BrandError for the first fault of the file that `brand.overrides` names.

    The default's name is `brand.name`, else `mail.product`. A name set there is the sender's too, unless it is set.
    """
    named = bool(brand.name) and "sender_name" not in mail.model_fields_set
    default = default_brand(
        brand, name=mail.product, site=mail.site, sender_name=brand.name if named else mail.sender_name
    )
    if brand.overrides is None:
        return Brands(default)
    tables = {key: _parse(brand.overrides, key, table) for key, table in _read(brand.overrides).items()}
    try:
        return Brands(default, tables)
    except ValueError as error:
        raise BrandError(f"{brand.overrides}: {error}") from error


def _read(file: Path) -> Mapping[str, Any]:
    try:
        return tomllib.loads(file.read_text("utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise BrandError(f"{file}: not TOML: {error}") from error
    except (OSError, UnicodeDecodeError) as error:
        raise BrandError(f"{file}: cannot be read: {error}") from error


def _parse(file: Path, key: str, table: Any) -> BrandTable:
    if not re.match(KEY, key) or not isinstance(table, dict):
        raise BrandError(
            f"{file}: {key[:64]!r} must be a table, named by small letters, digits and hyphens: [my-shop]"
        )
    try:
        return BrandTable.model_validate(table)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        field = ".".join(str(part) for part in first["loc"])
        reason = "unknown field" if first["type"] == "extra_forbidden" else first["msg"]
        raise BrandError(f"{file}: [{key}]: {f'{field}: ' if field else ''}{reason}") from error
