"""Recipients, contacts, groups and their preferences: rows of the tables, as resolve and the APIs see them."""

from collections.abc import Mapping

from pydantic import BaseModel, ConfigDict, Field

from service.model.holds.calendar import Frequency, QuietHours


class _TableRow(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class Choice(_TableRow):
    """A stored preference: on or off, since when (ms), and set by whom.

    `frequency`: how often mail of the type is sent while it is on; None for the type's own.
    """

    on: bool
    since_ms: int = 0
    by: str = ""
    frequency: Frequency | None = None

    def turned(self, *, on: bool, since_ms: int, by: str) -> "Choice":
        """Return the choice on or off, with its frequency; itself where it is so already, which keeps its date."""
        return self if self.on is on else Choice(on=on, since_ms=since_ms, by=by, frequency=self.frequency)

    def replacing(self, before: "Choice | None") -> "Choice":
        """Return the choice to store in place of another: that one, with its date, where both say the same.

        One that is off and states no frequency keeps that of the other for when it is turned on.
        """
        if before is None:
            return self
        frequency = self.frequency if self.on or self.frequency else before.frequency
        if (self.on, frequency) == (before.on, before.frequency):
            return before
        return self.model_copy(update={"frequency": frequency})


class Recipient(_TableRow):
    """A row of the recipients table. `preferences` holds only those that were set, by `type:channel`.

    `quiet_hours` None: those of the account or the type; an empty list stands for none.
    """

    id: str = Field(min_length=1, max_length=128)
    address: str = ""
    name: str = ""
    locale: str = "en"
    timezone: str = "UTC"
    roles: tuple[str, ...] = ()
    preferences: Mapping[str, Choice] = Field(default_factory=dict)
    quiet_hours: QuietHours | None = None
    version: int = 0


class Contact(_TableRow):
    """A contact of an account. The `main` contact cannot be deleted, and there is only one.

    `quiet_hours` None: those of the account or the type; an empty list stands for none.
    """

    uuid: str
    account: str
    email: str
    name: str = ""
    phone: str = ""
    main: bool = False
    locale: str = "en"
    timezone: str = "UTC"
    preferences: Mapping[str, Choice] = Field(default_factory=dict)
    quiet_hours: QuietHours | None = None
    version: int = 0


class Group(_TableRow):
    """The addresses that (external_id, project_id) lists for each group type."""

    external_id: str
    project_id: str = ""
    addresses: Mapping[str, tuple[str, ...]] = Field(default_factory=dict)
    version: int = 0


def preference_key(type_name: str, channel: str) -> str:
    """Return the name of a preference inside a row."""
    return f"{type_name}:{channel}"


def row_bytes(row: BaseModel) -> bytes:
    """Return a row as the tables and their topics hold it."""
    return row.model_dump_json(exclude_defaults=True).encode()
