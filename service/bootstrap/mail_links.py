"""What a message has besides its content: the envelope's sender, and the links by which a recipient ends it."""

from collections.abc import Mapping
from dataclasses import dataclass

from service.model.catalogue import Catalogue
from service.model.delivery import Delivery
from service.model.signatures.verp import Verp
from service.pages.brand import Brands
from service.pipeline.tables.preference_tokens import PreferenceTokens
from service.pipeline.tables.unsubscribe_tokens import UnsubscribeTokens
from service.settings import MailSettings, Settings


@dataclass(frozen=True, slots=True)
class MailLinks:
    """Makes the sender and the links of each message. Without tokens there are no links."""

    settings: MailSettings
    catalogue: Catalogue
    brands: Brands
    unsubscribe_tokens: UnsubscribeTokens | None
    preference_tokens: PreferenceTokens | None
    verp: Verp | None

    def sender(self, delivery: Delivery) -> str:
        """Return the envelope's MAIL FROM."""
        if self.verp is not None:
            return self.verp.address(delivery)
        return self.settings.bounce_address or self.settings.sender

    def headers(self, delivery: Delivery) -> Mapping[str, str]:
        """Return the headers of one-click unsubscribe (RFC 8058) for a type whose mail can be unsubscribed from.

        For a digest it is from all types of its group, if there is one among them.
        """
        tokens = self.unsubscribe_tokens
        if tokens is None or not (token := tokens.mail_token(delivery, self.catalogue)):
            return {}
        return {
            "List-Unsubscribe": f"<{self._page_url('unsubscribe', token, delivery)}>",
            "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
        }

    def preferences_url(self, delivery: Delivery) -> str:
        """Return the URL of the page where the recipient chooses what to be notified of; empty without a secret."""
        tokens = self.preference_tokens
        return self._page_url("preferences", tokens.token(delivery), delivery) if tokens else ""

    def _page_url(self, page: str, token: str, delivery: Delivery) -> str:
        """Return the URL of one of the API's pages. One of a brand other than the default names it, for its look."""
        brand = self.brands.brand_of_delivery(delivery)
        look = f"?brand={brand.key}" if brand.key else ""
        return f"{self.settings.unsubscribe_base}/{page}/{token}{look}"


def unsubscribe_tokens(settings: Settings) -> UnsubscribeTokens | None:
    """Return the maker and reader of the tokens in unsubscribe links; None without a secret."""
    secrets = settings.mail_secrets
    return UnsubscribeTokens(secrets, settings.mail.unsubscribe_days) if secrets else None


def preference_tokens(settings: Settings) -> PreferenceTokens | None:
    """Return the maker and reader of the tokens in links to a person's preferences; None without a secret."""
    secrets = settings.mail_secrets
    return PreferenceTokens(secrets, settings.mail.unsubscribe_days) if secrets else None


def return_addresses(settings: Settings) -> Verp | None:
    """Return the maker and reader of return addresses; None without a domain. Raise ValueError without a secret."""
    domain, secrets = settings.mail.bounce_domain, settings.mail_secrets
    if domain and not secrets:
        raise ValueError(
            "TOCSIN_MAIL__BOUNCE_DOMAIN needs TOCSIN_MAIL__SECRETS: unsigned bounces are not believed"
        )
    return Verp(secrets, domain) if domain else None
