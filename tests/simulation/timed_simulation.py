"""The simulation with everything that holds mail: zones, quiet hours, digests, limits, schedules, reminders.

It begins some hours before a clock change in the zone of one of the recipients.
"""

from bisect import bisect_right
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar

from service.model.catalogue import Catalogue, NotificationType
from service.model.holds.calendar import Frequency, QuietWindow, Weekday
from service.model.ids import delivery_id, event_key, reminder_id
from service.model.recipient import Choice, Recipient, preference_key
from service.ports import MailAllowance
from tests.simulation.process import Process, RunningClock
from tests.simulation.recording_ports import ChangeCounter
from tests.simulation.simulation import RECIPIENTS, SOURCE, EventSpec, Simulation, rfc3339
from tests.simulation.time_rules import Handover, TimeRules
from tests.simulation.worker import STAGES
from tests.support.fake_pipeline import FakePipeline

STARTS = ("2026-03-28T20:00Z", "2026-10-24T20:00Z", "2026-10-31T23:00Z", "2026-04-04T09:00Z")
"""Hours before a change in Vienna, in Vienna, in New York, on Lord Howe."""
ZONES = ("Europe/Vienna", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata", "UTC")
NIGHT = QuietWindow(start="22:00", end="07:00")
SMALL_HOURS = QuietWindow(start="01:30", end="02:30")
LUNCH = QuietWindow(start="12:00", end="14:00")
WEEKEND = QuietWindow(start="00:00", end="00:00", days=(Weekday.sat, Weekday.sun))
QUIET_HOURS = ((), (NIGHT,), (SMALL_HOURS,), (NIGHT, LUNCH), (WEEKEND,), None)
ALLOWANCE = MailAllowance(hour=4, day=12)
REMIND_S, REMINDERS = 3600, 2
UNREAD_S = 900
DELAY_S = 1800

_LOT = {"meta": {"lot_id": {}}}
TYPES: dict[str, dict[str, Any]] = {
    "plain": {},
    "urgent": {"lane": "high"},
    "must": {"mandatory": True},
    "bids": {"digest": {"group": "lots", "key": "{lot_id}", "wait": 600}, **_LOT},
    "offers": {
        "digest": {"group": "lots", "frequency": "daily"},
        "supersede": "{lot_id}",
        "quiet_hours": [LUNCH.model_dump()],
        **_LOT,
    },
    "capped": {"limit": {"hour": 2}, "digest": {"group": "capped"}},
    "dropped": {"limit": {"hour": 1, "over": "skip"}},
    "unread": {"mail_if_unread": UNREAD_S},
    "nag": {"reminders": {"every": REMIND_S, "most": REMINDERS}},
    "later": {"schedule": {"delay": DELAY_S}},
}


def timed_catalogue() -> Catalogue:
    """Return a catalogue of the types above, all of them mailed and in the inbox."""
    base = {
        "domain": "test",
        "title": "",
        "description": "",
        "audience": ({"kind": "users"},),
        "channels": ("email", "inbox"),
        "retention": 30 * 86_400,
    }
    types = {n: NotificationType.model_validate(base | {"name": n} | own) for n, own in TYPES.items()}
    return Catalogue(types)


@dataclass(frozen=True)
class TimedSpec(EventSpec):
    """An event that may say when it is delivered, in seconds after the start of the simulation."""

    deliver_s: int = 0


class TimedPipeline(FakePipeline):
    """A pipeline with these types and limits, some hours before a clock change."""

    def __init__(self, start: int) -> None:
        super().__init__()
        self.catalogue, self.allowance = timed_catalogue(), ALLOWANCE
        self.clock.now = round(datetime.fromisoformat(STARTS[start]).timestamp() * 1000)
        self.build("shared")

    async def seed(self) -> None:
        """Write three recipients, each in a zone and with quiet hours of their own."""
        await self.tables.put_recipients(
            [
                Recipient(id=name, address=f"{name}@example.com", timezone=zone, quiet_hours=quiet, version=1)
                for name, zone, quiet in zip(RECIPIENTS, ZONES, ((NIGHT,), (WEEKEND,), None), strict=False)
            ]
        )


class RowHistory:
    """The rows that a recipient has had, by the number of the change."""

    def __init__(self, changes: ChangeCounter) -> None:
        self._changes = changes
        self._rows: dict[str, tuple[list[int], list[Recipient]]] = {}

    def add(self, row: Recipient) -> None:
        """Note that a row holds from now on."""
        numbers, rows = self._rows.setdefault(row.id, ([], []))
        numbers.append(self._changes.next())
        rows.append(row)

    def row_at(self, recipient: str, change: int) -> Recipient:
        """Return the row that held at a change."""
        numbers, rows = self._rows[recipient]
        return rows[max(0, bisect_right(numbers, change) - 1)]

    def current(self, recipient: str) -> Recipient:
        """Return the row that holds now."""
        return self._rows[recipient][1][-1]


class TimedSimulation(Simulation):
    """One run. `start` chooses the clock change before which it begins."""

    process_clock = RunningClock
    stages: ClassVar = {**STAGES, "email": ("dispatch.email.normal", "dispatch.email.high")}

    def __init__(self, start: int = 0) -> None:
        super().__init__(TimedPipeline(start))
        self.rows = RowHistory(self.changes)
        for recipient in RECIPIENTS:
            self.rows.add(self.tables.recipients[recipient])
        self.received_ms: dict[str, int] = {}
        self.time_rules = TimeRules(self.pipeline.catalogue, self.rules, self.ledger, self.rows, ALLOWANCE)

    def _check_mail(self, mail: Any, process: Process) -> None:
        accepted = self.relay.script[0].accepted if self.relay.script else True
        super()._check_mail(mail, process)
        try:
            self.time_rules.check(mail, Handover(self.clock.now, accepted))
        except AssertionError as error:
            self.broken.append(error)

    def _extensions(self, spec: EventSpec) -> dict[str, object]:
        deliver_s = spec.deliver_s if isinstance(spec, TimedSpec) else 0
        return {"deliverat": rfc3339(self.start_ms + deliver_s * 1000)} if deliver_s else {}

    def publish(self, spec: EventSpec) -> None:
        """Publish an event, perhaps once more: then its latest receipt may be the one that counts."""
        super().publish(spec)
        self.received_ms[event_key(SOURCE, spec.id)] = self.clock.now

    def deliver_ms(self, event: str, received_ms: int) -> int:
        """Return before when an event that was received at a time (ms) is not delivered; 0 for no such time.

        Where the event says when, the schedule of its type does not count, whether or not that time is past.
        """
        spec = self.published[event]
        if isinstance(spec, TimedSpec) and spec.deliver_s:
            own_ms = self.start_ms + spec.deliver_s * 1000
            return own_ms if own_ms > received_ms else 0
        return received_ms + DELAY_S * 1000 if spec.type == "later" else 0

    def expected(self, spec: EventSpec) -> dict[str, str]:
        """Return mail and inbox entry for each recipient, and the reminders of mail that was made."""
        key = event_key(SOURCE, spec.id)
        named = {
            delivery_id(key, recipient, channel): f"{spec.id} for {recipient} by {channel}"
            for recipient in spec.recipients
            for channel in ("email", "inbox")
        }
        if spec.type == "nag" and not spec.ttl_s:
            for recipient in spec.recipients:
                for number in range(1, REMINDERS + 1):
                    name = f"reminder {number} of {spec.id} for {recipient}"
                    named[reminder_id(key, recipient, number)] = name
        return named

    # steps of recipients

    def set_frequency(self, recipient: str, type_name: str, frequency: Frequency) -> None:
        """Set how often a recipient gets mail of a type; nothing for one whose mail is off."""
        row = self.rows.current(recipient)
        key = preference_key(type_name, "email")
        if (choice := row.preferences.get(key)) is None or choice.on:
            preferences = {**row.preferences, key: Choice(on=True, frequency=frequency)}
            self._put(row.model_copy(update={"preferences": preferences}))

    def move(self, recipient: str, zone: str) -> None:
        """Give a recipient another time zone."""
        self._put(self.rows.current(recipient).model_copy(update={"timezone": zone}))

    def set_quiet_hours(self, recipient: str, windows: tuple[QuietWindow, ...] | None) -> None:
        """Give a recipient other quiet hours; None for those of the types."""
        self._put(self.rows.current(recipient).model_copy(update={"quiet_hours": windows}))

    def read(self, recipient: str) -> None:
        """Mark the recipient's oldest unread entry as read."""
        unread = self.loop.done(self.pipeline.inbox.unread(recipient, limit=1))
        super().read(recipient)
        if unread:
            self.time_rules.read_at.setdefault(unread[0].id, self.changes.next())

    def _put(self, row: Recipient) -> None:
        """Write a row; what is held for its recipient is decided again, as the writer of the tables has it."""
        super()._put(row)
        self.rows.add(self.tables.recipients[row.id])
        held = self.loop.done(self.due.held_of(row.id))
        self.loop.done(self.due.hasten(held, self.clock.now))
