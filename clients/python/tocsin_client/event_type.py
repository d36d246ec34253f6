"""What is declared of a notification type: enough to validate its events."""

from collections.abc import Mapping
from dataclasses import dataclass
from string import Formatter
from typing import Any


@dataclass(frozen=True, slots=True)
class DataField:
    """A documented field of the data.

    `type` is `string`, `integer`, `number`, `boolean`, `datetime`, `object` or `list`.
    """

    name: str
    type: str = "string"
    required: bool = True


@dataclass(frozen=True, slots=True)
class EventType:
    """A notification type.

    `needs`: the attributes that name its audience (`recipients`, `external_id`, `account`). `recipient_fields`: fields
    of the data that name recipients in place of the attribute. `supersede`: the template of its supersede key.
    """

    name: str
    needs: tuple[str, ...] = ()
    recipient_fields: tuple[str, ...] = ()
    fields: tuple[DataField, ...] = ()
    supersede: str | None = None

    def supersede_key(self, data: Mapping[str, Any]) -> str | None:
        """Return the supersede key of an event with this data; None where the type has none."""
        if self.supersede is None:
            return None
        return self.supersede.format_map({name: str(data.get(name, "")) for name in self.supersede_fields})

    @property
    def supersede_fields(self) -> tuple[str, ...]:
        """Return the fields of the data that the supersede key is made of."""
        return tuple(name for _, name, _, _ in Formatter().parse(self.supersede or "") if name is not None)
