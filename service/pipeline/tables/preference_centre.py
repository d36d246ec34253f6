"""The preference centre: what a person can be notified of, by which channel, and what stops it; and their changes.

1. Look up the person's row: a recipient, a contact of an account, or an address that a group lists.
2. Take the types that the row can be notified of, with the stored choices.
3. Look up what blocks their mail, in one pipeline.
4. For a change: write the choices, the zone and the quiet hours into the row, then end or begin unsubscribes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypedDict

from service.model.blocks.suppression import Suppression
from service.model.blocks.unsubscribe import unsubscribe_key
from service.model.catalogue import AudienceRule, Catalogue, NotificationType
from service.model.channels import CHANNELS, Channel
from service.model.delivery import Delivery
from service.model.holds.calendar import Frequency, QuietHours
from service.model.ids import address_pseudonym
from service.model.keys import ContactKey, GroupKey
from service.model.recipient import Choice, Contact, Recipient, preference_key
from service.model.validators import FieldProblem
from service.pipeline.tables.writer import TableWriter
from service.ports import Clock, MailBlock

BY_RECIPIENT = "the recipient"
_NO_BLOCK = MailBlock()


class PreferenceOwner(NamedTuple):
    """A person, as the rule that found them knows them: a recipient by id, a contact by `account` and uuid.

    A member of a group (`group`: its key as text) is known by the pseudonym of the address.
    """

    recipient: str
    account: str = ""
    group: str = ""

    @classmethod
    def of(cls, delivery: Delivery) -> "PreferenceOwner":
        """Return the person that a delivery is for."""
        return cls(
            delivery.recipient,
            account=delivery.matched if delivery.rule is AudienceRule.account else "",
            group=delivery.matched if delivery.rule is AudienceRule.group else "",
        )

    def unsubscribe_key(self, type_name: str) -> str:
        """Return the key of the unsubscribe that stops a type's mail to this person."""
        return unsubscribe_key(self.account, self.recipient, type_name)


@dataclass(frozen=True, slots=True)
class ChannelPreference:
    """What is in force for a type and a channel.

    `on`: whether the person wants it. `since_ms`: since when that was chosen; 0 for the default. `unsubscribed`: the
    unsubscribe that turned it off, `suppression`: what stops all mail to the address, whatever is chosen. `frequency`:
    how often it comes; None where the person cannot choose that.
    """

    channel: Channel
    on: bool
    mandatory: bool
    since_ms: int = 0
    unsubscribed: Choice | None = None
    suppression: Suppression | None = None
    frequency: Frequency | None = None


@dataclass(frozen=True, slots=True)
class TypePreference:
    """A type with its channels."""

    type: NotificationType
    channels: Sequence[ChannelPreference]


class LocalTimes(NamedTuple):
    """The zone of a person, and their quiet hours; None for the default, which for a contact is the account's."""

    timezone: str
    quiet_hours: QuietHours | None
    default: QuietHours | None = None


@dataclass(frozen=True, slots=True)
class PreferenceSheet:
    """All that a person can choose, in the order of the catalogue. `address` is where their mail goes; "" for none.

    `times` is None for an address that a group lists, which has no row of its own.
    """

    address: str
    locale: str
    types: Sequence[TypePreference]
    times: LocalTimes | None = None


class PreferenceChange(NamedTuple):
    """A choice for a type and a channel. `frequency` None keeps the one that was chosen."""

    type: str
    channel: str
    on: bool
    frequency: Frequency | None = None


class TimesChange(TypedDict, total=False):
    """A new zone, or new quiet hours: None for the default, empty for none at all."""

    timezone: str
    quiet_hours: QuietHours | None


_NO_CHANGE = TimesChange()


class _Person(NamedTuple):
    """The row of an owner, as far as preferences go."""

    address: str
    locale: str
    preferences: Mapping[str, Choice]
    types: Sequence[NotificationType]
    channels: frozenset[Channel]
    times: LocalTimes | None


class PreferenceCentre:
    """Reader and writer of one person's preferences. Every method raises Unavailable."""

    def __init__(self, catalogue: Catalogue, writer: TableWriter, clock: Clock) -> None:
        self._catalogue = catalogue
        self._tables = writer.tables
        self._writer = writer
        self._clock = clock

    async def read(self, owner: PreferenceOwner) -> PreferenceSheet | None:
        """Return what is in force for a person; None where the tables do not have them."""
        person = await self._person(owner)
        if person is None:
            return None
        blocks = await self._blocks(owner, person)
        now_ms = self._clock.now_ms()
        types = [_type_preference(type_, person, blocks, now_ms) for type_ in person.types]
        return PreferenceSheet(person.address, person.locale, types, person.times)

    async def change(
        self,
        owner: PreferenceOwner,
        changes: Sequence[PreferenceChange],
        times: TimesChange = _NO_CHANGE,
    ) -> PreferenceSheet | None:
        """Write choices and times, all or none; return what is in force then, None where the tables lack the person.

        Raise FieldProblem for a type or a channel that the person cannot be notified of or not turn off, for a
        frequency that it does not have, and for times of an address in a group.
        """
        person = await self._person(owner)
        if person is None:
            return None
        types = {type_.name: type_ for type_ in person.types}
        for number, change in enumerate(changes):
            _check(number, change, types.get(change.type), person)
        if times and person.times is None:
            raise FieldProblem((next(iter(times)),), "An address that a group lists has no times of its own.")
        if owner.group:
            # A group lists addresses, not choices: mail to one of them is stopped by an unsubscribe.
            for change in changes:
                key = owner.unsubscribe_key(change.type)
                if not change.on:
                    await self._writer.unsubscribe(key, change.type, BY_RECIPIENT)
        elif changes or times:
            await self._write(owner, changes, times)
        # After the choices: an unsubscribe that ends first would let mail pass that the choices turn off.
        await self._resubscribe(owner, [change for change in changes if change.on])
        return await self.read(owner)

    async def _person(self, owner: PreferenceOwner) -> _Person | None:
        if owner.account:
            return await self._contact(ContactKey(owner.account, owner.recipient))
        if owner.group:
            return await self._group_member(GroupKey.parse(owner.group), owner.recipient)
        row = await self._writer.read_recipient(owner.recipient)
        if row is None:
            return None
        types = [type_ for type_ in self._catalogue if _reaches(type_, row.roles)]
        times = LocalTimes(row.timezone, row.quiet_hours)
        return _Person(row.address, row.locale, row.preferences, types, frozenset(Channel), times)

    async def _contact(self, key: ContactKey) -> _Person | None:
        row = await self._writer.read_contact(*key)
        if row is None:
            return None
        types = [type_ for type_ in self._catalogue if type_.needs(AudienceRule.account)]
        account = await self._writer.read_account(key.account)
        times = LocalTimes(row.timezone, row.quiet_hours, account.quiet_hours if account else None)
        return _Person(row.email, row.locale, row.preferences, types, frozenset(Channel), times)

    async def _group_member(self, key: GroupKey, pseudonym: str) -> _Person | None:
        """Return the address behind a pseudonym with the types for which the group lists it."""
        group, address, types = await self._writer.read_group(*key), "", list[NotificationType]()
        for type_ in self._catalogue:
            listed = group.addresses.get(type_.name, ())
            found = next((one for one in listed if address_pseudonym(one) == pseudonym), "")
            if found:
                address = found
                types.append(type_)
        addressed = frozenset(channel for channel in Channel if CHANNELS[channel].addressed)
        return _Person(address, "en", {}, types, addressed, None) if types else None

    async def _blocks(self, owner: PreferenceOwner, person: _Person) -> Mapping[str, MailBlock]:
        """Return what blocks mail of each type that can be blocked."""
        names = [type_.name for type_ in person.types if type_.suppressible and not type_.mandatory]
        blocks = await self._tables.blocks([(person.address, owner.unsubscribe_key(name)) for name in names])
        return dict(zip(names, blocks, strict=True))

    async def _write(
        self, owner: PreferenceOwner, changes: Sequence[PreferenceChange], times: TimesChange
    ) -> None:
        now_ms = self._clock.now_ms()

        def changed(current: Mapping[str, Choice]) -> Mapping[str, Any]:
            """Return the fields of the row that change; a choice that is as before keeps its time."""
            choices = dict(current)
            for change in changes:
                key = preference_key(change.type, change.channel)
                choices[key] = _chosen(change, choices.get(key), now_ms)
            return {"preferences": choices, **times}

        if owner.account:

            async def change_contact(rows: Mapping[str, Contact]) -> Sequence[Contact]:
                return [row.model_copy(update=changed(row.preferences)) for row in rows.values()]

            await self._writer.change_contacts(owner.account, [owner.recipient], change_contact)
            return

        def change_recipient(row: Recipient | None) -> Recipient:
            if row is None:
                raise FieldProblem(("preferences",), "The recipient has been deleted.")
            return row.model_copy(update=changed(row.preferences))

        await self._writer.recipient(owner.recipient, change_recipient)

    async def _resubscribe(self, owner: PreferenceOwner, changes: Sequence[PreferenceChange]) -> None:
        """End the unsubscribes of the types whose mail is turned on."""
        for change in changes:
            if CHANNELS[Channel(change.channel)].suppressible:
                key = owner.unsubscribe_key(change.type)
                if await self._writer.read_unsubscribe(key) is not None:
                    await self._writer.resubscribe(key)


def _reaches(type_: NotificationType, roles: Sequence[str]) -> bool:
    """Return whether events of a type can be for a recipient with these roles."""
    return any(
        rule.kind is AudienceRule.users or (rule.kind is AudienceRule.role and rule.role in roles)
        for rule in type_.audience
    )


def _chosen(change: PreferenceChange, before: Choice | None, now_ms: int) -> Choice:
    """Return the choice that a change makes of the stored one."""
    if before is not None and change.frequency is None:
        return before.turned(on=change.on, since_ms=now_ms, by=BY_RECIPIENT)
    choice = Choice(on=change.on, since_ms=now_ms, by=BY_RECIPIENT, frequency=change.frequency)
    return choice.replacing(before)


def _check(number: int, change: PreferenceChange, type_: NotificationType | None, person: _Person) -> None:
    place = ("preferences", str(number))
    if type_ is None:
        raise FieldProblem((*place, "type"), "There is no such type for this recipient.")
    if change.channel not in type_.channels or change.channel not in person.channels:
        raise FieldProblem((*place, "channel"), "The type does not have this channel.")
    if type_.mandatory and not change.on:
        raise FieldProblem((*place, "on"), "This type is mandatory: it cannot be turned off.")
    if change.frequency is not None and person.times is None:
        raise FieldProblem(
            (*place, "frequency"), "An address that a group lists has no frequency of its own."
        )
    try:
        type_.check_frequency(change.channel, change.frequency)
    except ValueError as error:
        raise FieldProblem((*place, "frequency"), str(error)) from None


def _type_preference(
    type_: NotificationType, person: _Person, blocks: Mapping[str, MailBlock], now_ms: int
) -> TypePreference:
    return TypePreference(
        type_,
        [
            _channel_preference(type_, channel, person, blocks.get(type_.name, _NO_BLOCK), now_ms)
            for channel in type_.channels
            if channel in person.channels
        ],
    )


def _channel_preference(
    type_: NotificationType, channel: Channel, person: _Person, block: MailBlock, now_ms: int
) -> ChannelPreference:
    """Return what is in force: the unsubscribe comes before the stored choice, and a mandatory type before both."""
    if type_.mandatory:
        return ChannelPreference(channel, on=True, mandatory=True)
    choice = person.preferences.get(preference_key(type_.name, channel)) or Choice(on=True)
    if not CHANNELS[channel].suppressible:
        return ChannelPreference(channel, on=choice.on, mandatory=False, since_ms=choice.since_ms)
    digested = CHANNELS[channel].digested and person.times is not None
    suppression = block.suppression
    if suppression is not None and not suppression.in_force(now_ms):
        suppression = None
    unsubscribed = block.unsubscribed
    return ChannelPreference(
        channel,
        on=choice.on and unsubscribed is None,
        mandatory=False,
        since_ms=(unsubscribed or choice).since_ms,
        unsubscribed=unsubscribed,
        suppression=suppression,
        frequency=(choice.frequency or type_.digest.frequency) if digested and type_.digest else None,
    )
