"""Replacement of attributes of the product, for faults and times that no setting controls."""

from collections.abc import Callable
from typing import Any

Replace = Callable[[Any, str, Any], None]
"""Sets an attribute of an owner, by name: `replace_attribute`, or pytest's `monkeypatch.setattr`, which undoes it."""


def replace_attribute(owner: Any, name: str, value: Any) -> None:
    """Set an attribute that exists. Raise AttributeError otherwise: a rename must not disable a patch unnoticed."""
    getattr(owner, name)
    setattr(owner, name, value)
