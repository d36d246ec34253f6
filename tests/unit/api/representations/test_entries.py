"""Inbox entries as resource objects."""

from service.api.representations.entries import EntryFormat
from service.pages.brand import Brands, BrandTable
from service.pages.shell import OWN_BRAND
from tests.support.api_fixture import CATALOGUE, inbox_item


def test_a_link_leads_to_the_site_of_its_brand() -> None:
    """The default brand's without one, and for a brand that is no longer there."""
    shop = BrandTable(sources=("/shop",), site="https://shop.test/")
    entry_format = EntryFormat(CATALOGUE, Brands(OWN_BRAND, {"shop": shop}))
    item = inbox_item("overbid", lot_id="a/b")

    links = [
        entry_format.resource(item._replace(brand=brand))["meta"]["link"] for brand in ("shop", "gone", "")
    ]

    assert links == ["https://shop.test/lots/a%2Fb", "/lots/a%2Fb", "/lots/a%2Fb"]
