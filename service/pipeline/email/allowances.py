"""Limits: the most mails that a recipient gets an hour and a day. Room is taken right before a mail is claimed."""

from collections.abc import Iterable, Sequence

from service.model.catalogue import Catalogue, NotificationType
from service.model.delivery import Delivery
from service.model.ledger import State
from service.model.outcome import Outcome
from service.pipeline.email.recheck import RecheckedDelivery
from service.pipeline.resolve.precedence import over_limit
from service.ports import LimitedMail, MailAllowance, MailLimits

NO_LIMIT = MailAllowance()


class Allowances:
    """Applies limits to deliveries that were rechecked. `overall`: the limits of all types together; its own are 0."""

    def __init__(self, catalogue: Catalogue, limits: MailLimits, overall: MailAllowance) -> None:
        self._catalogue = catalogue
        self._limits = limits
        self._overall = overall
        self._of_type = {declared.name: _allowance_of(declared, overall) for declared in catalogue}
        self._is_limited = any(map(any, (overall, *self._of_type.values())))

    async def apply(self, checked: Sequence[RecheckedDelivery], now_ms: int) -> list[RecheckedDelivery]:
        """Return the deliveries, those over a limit held until there is room. Raise Unavailable."""
        sending, mails = self._limited(checked)
        if not mails:
            return list(checked)
        decided = self._decided(checked, sending, await self._limits.take(mails, now_ms))
        # An item of a digest waits in its window, and not for room: the digest does.
        if left := [
            (one.delivery.recipient, one.delivery.id)
            for before, one in zip(checked, decided, strict=True)
            if one is not before and (one.decision.window or one.decision.state is State.skipped)
        ]:
            await self._limits.give_back(left)
        return decided

    async def predict(self, checked: Sequence[RecheckedDelivery], now_ms: int) -> list[RecheckedDelivery]:
        """Return what `apply` would, and count nothing. Raise Unavailable."""
        sending, mails = self._limited(checked)
        return self._decided(checked, sending, await self._limits.room(mails, now_ms) if mails else ())

    async def restore(self, outcomes: Iterable[Outcome]) -> None:
        """Count the mails that were sent in the last day by these outcomes, for a rebuild. Raise Unavailable."""
        mails, sent_ms = list[LimitedMail](), list[int]()
        for one in outcomes:
            declared = self._catalogue.of_delivery(one.type)
            if one.state is State.sent and declared is not None and self._is_limited:
                allowance = self._allowance(one.type)
                mails.append(LimitedMail(one.recipient, one.delivery, one.type, declared.lane, allowance))
                sent_ms.append(one.at_ms)
        if mails:
            await self._limits.restore(mails, sent_ms)

    async def release(self, ended: Iterable[Delivery]) -> None:
        """Free the room of deliveries that the ledger has as ended, or end their waiting for it. Raise Unavailable.

        The ledger first: the record of a mail that was sent may be read again, when nothing is left to be sent. One
        that has been attempted keeps its room: a relay may have taken it.
        """
        unsent = [(one.recipient, one.id) for one in ended if not one.attempt]
        if self._is_limited and unsent:
            await self._limits.give_back(unsent)

    def _limited(self, checked: Sequence[RecheckedDelivery]) -> tuple[list[int], list[LimitedMail]]:
        """Return the places of the deliveries that are to be sent and that a limit concerns, and their mails."""
        places, mails = list[int](), list[LimitedMail]()
        if not self._is_limited:
            return places, mails
        for i, one in enumerate(checked):
            delivery = one.delivery
            if one.decision.state is not State.queued:
                continue
            allowance = self._allowance(delivery.type)
            if any(allowance):
                exempt = self._catalogue[delivery.type].mandatory or bool(delivery.retimed_ms)
                names = (delivery.recipient, delivery.id, delivery.type, delivery.lane)
                places.append(i)
                mails.append(LimitedMail(*names, allowance, exempt=exempt))
        return places, mails

    def _allowance(self, type_name: str) -> MailAllowance:
        return self._of_type.get(type_name, self._overall)  # a digest has only those of all types

    def _decided(
        self, checked: Sequence[RecheckedDelivery], places: Sequence[int], room_ms: Sequence[int]
    ) -> list[RecheckedDelivery]:
        decided = list(checked)
        for i, at_ms in zip(places, room_ms, strict=True):
            delivery, _, recipient = checked[i]
            if at_ms and recipient is not None:
                decision = over_limit(delivery, self._catalogue[delivery.type], recipient, at_ms)
                decided[i] = checked[i]._replace(decision=decision)
        return decided


def _allowance_of(declared: NotificationType, overall: MailAllowance) -> MailAllowance:
    """Return the limits of a type: those of all types, and its own."""
    limit = declared.limit
    return overall._replace(type_hour=limit.hour or 0, type_day=limit.day or 0) if limit else overall
