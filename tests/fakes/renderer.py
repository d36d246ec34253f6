"""A renderer of the few fields that tests check."""

from collections.abc import Mapping, Sequence

from service.model.delivery import Delivery
from service.ports import DigestItemsFailed, RenderFailed


class FakeRenderer:
    """Implements the Renderer port; fails for deliveries with `unrenderable` in their data."""

    def email(self, delivery: Delivery, headers: Mapping[str, str], preferences: str = "") -> bytes:
        self._check(delivery)
        return f"To: {delivery.address}\r\nSubject: {delivery.type}\r\n\r\n{delivery.name}\r\n".encode()

    def digest(
        self,
        delivery: Delivery,
        items: Sequence[Delivery],
        headers: Mapping[str, str],
        preferences: str = "",
    ) -> bytes:
        if failed := [item.id for item in items if "unrenderable" in item.data]:
            raise DigestItemsFailed(dict.fromkeys(failed, "data.unrenderable is present"))
        lines = "".join(f"{item.id}\r\n" for item in items)
        return f"To: {delivery.address}\r\nSubject: {delivery.type}\r\n\r\n{lines}".encode()

    def check(self) -> None:
        """Nothing to check: it has no templates."""

    def inbox_line(self, delivery: Delivery) -> str:
        self._check(delivery)
        return f"{delivery.type} for {delivery.name}"

    def brand_key(self, delivery: Delivery) -> str:
        return ""

    def _check(self, delivery: Delivery) -> None:
        if "unrenderable" in delivery.data:
            raise RenderFailed("data.unrenderable is present")
