"""The messages of deliveries: rendered, with their envelopes. What cannot be rendered is set apart."""

from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from service.model.delivery import Delivery
from service.model.holds.digest import is_digest
from service.model.mail import OutgoingMail
from service.pipeline.email.digest_batch import DigestBatch
from service.ports import DigestItemsFailed, Renderer, RenderFailed
from service.ports.turns import Turns


class ComposedMails(NamedTuple):
    """Messages, and the errors of the deliveries that cannot be rendered, by their ids."""

    mails: list[OutgoingMail]
    failed: Mapping[str, Exception]


class Composer:
    """Composes messages. `sender` returns the envelope's MAIL FROM, `headers` and `preferences_url` the links."""

    def __init__(
        self,
        renderer: Renderer,
        sender: Callable[[Delivery], str],
        headers: Callable[[Delivery], Mapping[str, str]],
        preferences_url: Callable[[Delivery], str],
    ) -> None:
        self._renderer = renderer
        self._sender = sender
        self._headers = headers
        self._preferences_url = preferences_url

    async def compose(self, deliveries: Iterable[Delivery], digests: DigestBatch) -> ComposedMails:
        """Return the messages of deliveries. An item that cannot be rendered is left out of its digest."""
        turns, mails, failed = Turns(), list[OutgoingMail](), dict[str, Exception]()
        for delivery in deliveries:
            try:
                content = self._content(delivery, digests)
            except RenderFailed as error:
                failed[delivery.id] = error
                continue
            sender = self._sender(delivery)
            mails.append(OutgoingMail(delivery.id, sender, delivery.address, content, delivery.lane))
            await turns.worked(len(content))
        return ComposedMails(mails, failed)

    def _content(self, delivery: Delivery, digests: DigestBatch) -> bytes:
        """Return the content of a message. Raise RenderFailed."""
        headers, preferences = self._headers(delivery), self._preferences_url(delivery)
        if not is_digest(delivery):
            return self._renderer.email(delivery, headers, preferences)
        try:
            return self._renderer.digest(delivery, digests.rendered(delivery.id), headers, preferences)
        except DigestItemsFailed as failed:
            digests.drop(delivery.id, failed.reasons)
        return self._renderer.digest(delivery, digests.rendered(delivery.id), headers, preferences)
