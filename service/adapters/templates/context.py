"""The names that a template can use: the event's data, its recipient, the product, links to it. Nothing else."""

from typing import Any

from jinja2 import StrictUndefined

from service.model.catalogue import AudienceRule
from service.model.delivery import Delivery
from service.model.urls import quoted_part
from service.ports import RenderFailed


class Fields(dict[str, Any]):
    """The fields of `data` or `recipient`; a field that is not there is undefined."""

    def __missing__(self, name: str) -> object:
        return StrictUndefined(obj=self, name=name)


def recipient_fields(delivery: Delivery, locale: str) -> Fields:
    """Return the recipient as templates see them; `locale` decides how dates and numbers are written.

    `role` is `admin` for a recipient notified in the role of an admin, else `user`.
    """
    role = "admin" if delivery.rule is AudienceRule.role and delivery.matched == "admin" else "user"
    name = " ".join(delivery.name.split())
    return Fields(name=name, locale=locale, role=role, timezone=delivery.timezone)


class Link:
    """The function `link("lots", data.lot_id)` of templates: builds an address below the configured site.

    Each part is percent-encoded, slashes too, so data can neither leave the site nor climb in its paths. A part
    that is None is left out. Raise ValueError when `site` is not an http or https URL.
    """

    def __init__(self, site: str) -> None:
        if not site.startswith(("https://", "http://")):
            raise ValueError(f"mail.site must be an http or https URL, not {site!r}")
        self._base = site.rstrip("/")

    def __call__(self, *parts: object) -> str:
        """Return the site with `parts` as its path. Raise RenderFailed for the parts "." and "..", which climb."""
        return self.below(self._base, *parts)

    @staticmethod
    def below(url: str, *parts: object) -> str:
        """Return a URL with `parts` added to its path, as a call does."""
        for part in parts:
            if part is None:
                continue
            try:
                url = f"{url}/{quoted_part(str(part))}"
            except ValueError as error:
                raise RenderFailed(str(error)) from None
        return url
