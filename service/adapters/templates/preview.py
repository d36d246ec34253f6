"""A preview of a type, or of digests, as recipients will see it, made from the catalogue's samples."""

from collections.abc import Sequence
from dataclasses import dataclass
from email import message_from_bytes, policy

from service.adapters.templates.renderer import TemplateRenderer
from service.adapters.templates.sample import sample_delivery, sample_digest, sample_items
from service.model.catalogue import DIGEST, AudienceRule, Catalogue, NotificationType
from service.model.delivery import Delivery
from service.model.holds.digest import is_digest
from service.pages.brand import Brands
from service.settings import MailSettings

_DIGEST_PREFIX = f"{DIGEST}:"


@dataclass(frozen=True, slots=True)
class Preview:
    """The parts of one email, parsed from its bytes; `size` is the size of the whole message in octets."""

    html: str
    text: str
    subject: str
    preheader: str
    inbox: str
    headers: tuple[tuple[str, str], ...]
    size: int


def render_preview(
    renderer: TemplateRenderer, mail: MailSettings, type_name: str, locale: str, brand: str = ""
) -> Preview:
    """Return the preview of a type, or of a digest by its name, in a locale and in the look of a brand, by its key.

    Raise KeyError for an unknown type, digest or brand, RenderFailed.
    """
    delivery, content = render_sample(renderer, mail, type_name, locale, brand)
    message = message_from_bytes(content, policy=policy.default)
    text, html = (part.get_content() for part in message.iter_parts())
    return Preview(
        html=html,
        text=text,
        subject=str(message["Subject"]),
        preheader=_preheader(renderer, delivery, type_name, locale, brand),
        inbox="" if is_digest(delivery) else renderer.inbox_line(delivery),
        headers=tuple((name, str(value)) for name, value in message.items()),
        size=len(content),
    )


def render_sample(
    renderer: TemplateRenderer, mail: MailSettings, type_name: str, locale: str, brand: str = ""
) -> tuple[Delivery, bytes]:
    """Return the delivery of a sample and its message. Raise as `render_preview`.

    The headers (RFC 8058) and the link to the preferences are those that the email stage adds, with fake tokens.
    """
    headers = {
        "List-Unsubscribe": f"<{mail.unsubscribe_base}/unsubscribe/sample>",
        "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
    }
    preferences = f"{mail.unsubscribe_base}/preferences/sample"
    if type_name.startswith(_DIGEST_PREFIX):
        digest, items = _sample_digest(renderer, type_name, locale, brand)
        return digest, renderer.digest(digest, items, headers, preferences)
    if (notification_type := renderer.library.catalogue.get(type_name)) is None:
        raise KeyError(type_name)
    delivery = _in_brand(sample_delivery(notification_type, locale), renderer.brands, brand)
    return delivery, renderer.email(
        delivery, headers if notification_type.unsubscribable else {}, preferences
    )


def digest_samples(catalogue: Catalogue) -> Sequence[str]:
    """Return the names of one digest of each group, and of one of its first type alone.

    `digest:GROUP` has items of all types of a group, `digest:TYPE` of one of them.
    """
    groups = catalogue.digest_groups()
    names = [(group, types[0].name if len(types) > 1 else group) for group, types in groups.items()]
    return list(dict.fromkeys(f"{_DIGEST_PREFIX}{name}" for pair in names for name in pair))


def _sample_digest(
    renderer: TemplateRenderer, name: str, locale: str, brand: str
) -> tuple[Delivery, Sequence[Delivery]]:
    """Return the delivery of a digest and its items: more than it shows. Raise KeyError."""
    catalogue, name = renderer.library.catalogue, name.removeprefix(_DIGEST_PREFIX)
    types: Sequence[NotificationType] = catalogue.digest_groups().get(name) or [catalogue[name]]
    if not (group := types[0].digest_group):
        raise KeyError(name)
    most = types[0].digest.most if types[0].digest else 0
    items = [
        _in_brand(item, renderer.brands, brand) for item in sample_items(types, locale, 2 * most + len(types))
    ]
    return sample_digest(group, types[0], locale), items


def _preheader(renderer: TemplateRenderer, delivery: Delivery, name: str, locale: str, brand: str) -> str:
    """Return the preheader of a sample."""
    if not is_digest(delivery):
        return renderer.line("preheader", delivery)
    return renderer.digest_line("preheader", *_sample_digest(renderer, name, locale, brand))


def _in_brand(delivery: Delivery, brands: Brands, key: str) -> Delivery:
    """Return the delivery with a source or an account of the brand."""
    if not key:
        return delivery
    table = brands.tables[key]
    if table.accounts:
        return delivery.replace(rule=AudienceRule.account, matched=table.accounts[0])
    return delivery.replace(source=table.sources[0].removesuffix("*"))
