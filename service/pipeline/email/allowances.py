"""Limits: the most mails that a recipient gets an hour and a day. Room is taken right before a mail is claimed."""

from collections.abc import Sequence

from service.model.catalogue import Catalogue, NotificationType
from service.model.ledger import State
from service.pipeline.email.recheck import RecheckedDelivery
from service.pipeline.resolve.precedence import over_limit
from service.ports import LimitedMail, MailAllowance, MailLimits

NO_LIMIT = MailAllowance()
_SENT_OR_WAITING = frozenset({State.queued, State.held})


class Allowances:
    """Applies limits to deliveries that were rechecked. `overall`: the limits of all types together; its own are 0."""

    def __init__(self, catalogue: Catalogue, limits: MailLimits, overall: MailAllowance) -> None:
        self._catalogue = catalogue
        self._limits = limits
        self._overall = overall
        self._of_type = {declared.name: _allowance_of(declared, overall) for declared in catalogue}
        self._is_limited = any(map(any, (overall, *self._of_type.values())))

    async def apply(self, checked: Sequence[RecheckedDelivery], now_ms: int) -> list[RecheckedDelivery]:
        """Return the deliveries, those over a limit held until there is room. Raise Unavailable.

        Those that are not sent lose the room that they had, or their place among those that wait for it.
        """
        if not self._is_limited:
            return list(checked)
        decided = list(checked)
        sending = [(i, mail) for i, one in enumerate(checked) if (mail := self._limited(one)) is not None]
        if ended := [
            (one.delivery.recipient, one.delivery.id)
            for one in checked
            if one.decision.state not in _SENT_OR_WAITING
        ]:
            await self._limits.give_back(ended)
        room_ms = await self._limits.take([mail for _, mail in sending], now_ms) if sending else ()
        for (i, _), at_ms in zip(sending, room_ms, strict=True):
            delivery, _, recipient = checked[i]
            if at_ms and recipient is not None:
                declared = self._catalogue[delivery.type]
                decision = over_limit(delivery, declared, recipient, at_ms)
                decided[i] = checked[i]._replace(decision=decision)
        # An item of a digest waits in its window, and not for room: the digest does.
        if left := [
            (one.delivery.recipient, one.delivery.id)
            for before, one in zip(checked, decided, strict=True)
            if one is not before and (one.decision.window or one.decision.state is State.skipped)
        ]:
            await self._limits.give_back(left)
        return decided

    def _limited(self, checked: RecheckedDelivery) -> LimitedMail | None:
        """Return the mail that a limit concerns; None where there is none, or nothing is to be sent."""
        delivery = checked.delivery
        if checked.decision.state is not State.queued:
            return None
        allowance = self._of_type.get(delivery.type, self._overall)  # a digest has those of all types
        if not any(allowance):
            return None
        exempt = self._catalogue[delivery.type].mandatory or bool(delivery.retimed_ms)
        return LimitedMail(
            delivery.recipient, delivery.id, delivery.type, delivery.lane, allowance, exempt=exempt
        )


def _allowance_of(declared: NotificationType, overall: MailAllowance) -> MailAllowance:
    """Return the limits of a type: those of all types, and its own."""
    limit = declared.limit
    return overall._replace(type_hour=limit.hour or 0, type_day=limit.day or 0) if limit else overall
