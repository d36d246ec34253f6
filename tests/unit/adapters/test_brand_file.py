"""Brands from the settings and from a file: names, and faults in one line."""

from pathlib import Path

import pytest

from service.adapters.brand_file import BrandError, load_brands
from service.bootstrap.parts import bootstrap
from service.cli.checks import Status
from service.cli.checks.files import check_files
from service.settings import BrandSettings, MailSettings, Settings

SHOP = '[shop]\nsources = ["/shop"]\n'


def overrides(tmp_path: Path, text: str) -> BrandSettings:
    file = tmp_path / "brands.toml"
    file.write_text(text, "utf-8")
    return BrandSettings(overrides=file)


def test_the_name_is_the_brands_else_the_product() -> None:
    """`TOCSIN_MAIL__PRODUCT` keeps its meaning; the sender has the brand's name unless he has one."""
    assert load_brands(MailSettings(product="Old")).default.name == "Old"
    named = load_brands(MailSettings(product="Old"), BrandSettings(name="New")).default
    assert (named.name, named.sender_name) == ("New", "New")
    assert load_brands(MailSettings(product="Old")).default.sender_name == "Tocsin"
    both = load_brands(MailSettings(sender_name="Desk"), BrandSettings(name="New")).default
    assert (both.name, both.sender_name) == ("New", "Desk")


def test_tables_are_brands(tmp_path: Path) -> None:
    """Each by the name of its table."""
    brands = load_brands(
        MailSettings(), overrides(tmp_path, SHOP + 'name = "Shop"\nfooter = { de = "Fuß" }\n')
    )

    assert [brand.key for brand in brands] == ["", "shop"]
    assert brands.brand_of("/shop").footer_in("de") == "Fuß"


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (SHOP + 'accent = "#fd0"\n', "[shop]: accent: Value error, #ffdd00 has a contrast of 1.35:1"),
        (SHOP + 'colour = "#000"\n', "[shop]: colour: unknown field"),
        (SHOP + 'logo_url = "https://a.test/l.png"\n', "[shop]: Value error, logo_url needs logo_width"),
        (SHOP + 'site = "shop.test"\n', "[shop]: site: Value error, must be an http or https URL"),
        ("[shop]\n", "[shop]: Value error, sources or accounts must say"),
        (SHOP + '[other]\nsources = ["/shop"]\n', "/shop is in [shop] and in [other]"),
        ('["Shop & Co"]\nsources = ["/x"]\n', "'Shop & Co' must be a table, named by"),
        ("name = 'x'\n", "'name' must be a table"),
        ("[shop\n", "not TOML: "),
    ],
)
def test_a_fault_is_one_line(tmp_path: Path, text: str, fault: str) -> None:
    """It names the file, the table and the field; `doctor` has it as a finding, and no stage starts."""
    brand = overrides(tmp_path, text)
    with pytest.raises(BrandError) as error:
        load_brands(MailSettings(), brand)

    assert f"brands.toml: {fault}" in str(error.value)
    assert "\n" not in str(error.value)
    (finding,) = (one for one in check_files(Settings(brand=brand)) if one.check == "brands")
    assert (finding.status, finding.detail) == (Status.fail, str(error.value))
    with pytest.raises(BrandError):
        bootstrap(Settings(brand=brand))


def test_a_file_that_is_missing(tmp_path: Path) -> None:
    """A path that names no file is a fault."""
    with pytest.raises(BrandError, match="cannot be read"):
        load_brands(MailSettings(), BrandSettings(overrides=tmp_path / "none.toml"))


def test_doctor_hints_at_types_that_should_be_mandatory() -> None:
    """With the line that makes them so, those that are already mandatory included; then there is no hint."""
    (hint,) = (
        one
        for one in check_files(Settings(mandatory=("overbid", "payment_failed")))
        if one.status != Status.ok
    )

    assert (hint.check, hint.status) == ("mandatory types", Status.hint)
    line = hint.remedy.partition("TOCSIN_MANDATORY='")[2].removesuffix("'")
    mandatory = Settings.model_validate_json(f'{{"mandatory": {line}}}').mandatory
    assert {"overbid", "payment_failed", "reset_password", "stop_servers"} <= set(mandatory)
    assert {one.status for one in check_files(Settings(mandatory=mandatory))} == {Status.ok}
