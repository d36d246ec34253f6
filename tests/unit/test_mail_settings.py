"""Settings of mail that depend on each other."""

from dataclasses import replace

import pytest
from pydantic import SecretStr, ValidationError

from service.adapters.smtp.relay_list import relays
from service.bootstrap.parts import bootstrap
from service.model.catalogue import Catalogue, DigestRule
from service.model.holds.digest import digest_of
from service.pipeline.tables.unsubscribe_tokens import token_candidates
from service.settings import DEV_SECRET, DevSettings, MailSettings, Settings
from service.settings.relays import RelaySettings, SmtpSettings, TimeoutSettings
from tests.unit.pipeline.tables.test_unsubscribe_tokens import NOW, delivery

SECRET = SecretStr("a-secret-of-this-test")


def test_links_need_a_secret_except_in_dev() -> None:
    """In production no link is signed with a default secret; a secret has a minimum length."""
    assert Settings().mail_secrets == ()
    assert bootstrap(Settings()).unsubscribe_tokens is None
    assert Settings(mode="dev").mail_secrets == (DEV_SECRET,)
    assert Settings(mode="dev", mail=MailSettings(secrets=(SECRET,))).mail_secrets == (
        SECRET.get_secret_value(),
    )
    with pytest.raises(ValidationError):
        MailSettings(secrets=(SecretStr("short"),))


def test_bounces_need_a_secret() -> None:
    """A bounce domain without one is refused at the start, because no bounce could be verified."""
    with pytest.raises(ValueError, match="TOCSIN_MAIL__SECRETS"):
        bootstrap(Settings(mail=MailSettings(bounce_domain="b.test")))
    assert bootstrap(Settings(mail=MailSettings(bounce_domain="b.test", secrets=(SECRET,)))).verp


def test_a_digest_is_unsubscribed_from_by_its_group() -> None:
    """The link is for all types of the group; there is none where no type can be stopped."""
    parts = bootstrap(Settings(mode="dev"))
    types = {one.name: one for one in parts.catalogue}
    for name, group in (("overbid", "bids"), ("winner", "bids"), ("reset_password", "access")):
        types[name] = types[name].model_copy(update={"digest": DigestRule(group=group)})
    parts = replace(parts, catalogue=Catalogue(types))
    tokens = parts.unsubscribe_tokens
    assert tokens is not None

    header = parts.mail_links.headers(digest_of(delivery(), "bids", NOW))["List-Unsubscribe"]
    assert tokens.read(token_candidates(header)[0], NOW) == ("", "alice", "bids")
    assert parts.mail_links.headers(digest_of(delivery(), "access", NOW)) == {}
    assert parts.mail_links.headers(digest_of(delivery(), "gone", NOW)) == {}


def test_fallbacks_wait_as_long_as_the_first_relay() -> None:
    """A fallback has the first relay's timeouts, except for those that it sets itself."""
    first = TimeoutSettings(greeting=5, final=60)
    fallbacks = (RelaySettings(port=1), RelaySettings(port=2, timeouts=TimeoutSettings(final=90)))
    smtp = SmtpSettings(timeouts=first, fallbacks=fallbacks)

    timeouts = [one.timeouts for one in relays(Settings(smtp=smtp))]
    assert [(one.greeting_s, one.final_s, one.mail_s) for one in timeouts] == [
        (5, 60, 300),
        (5, 60, 300),
        (5, 90, 300),
    ]


def test_links_follow_the_dev_port() -> None:
    """The base of links is the dev port's unless it is set."""
    assert Settings(dev=DevSettings(http_port=8123)).mail.unsubscribe_base == "http://127.0.0.1:8123"
    mail = MailSettings(unsubscribe_base="https://mail.example")
    assert (
        Settings(mail=mail, dev=DevSettings(http_port=8123)).mail.unsubscribe_base == "https://mail.example"
    )


@pytest.mark.parametrize(
    ("smtp", "limited"),
    [
        (SmtpSettings(), False),
        (SmtpSettings(rate=10), True),
        (SmtpSettings(fallbacks=(RelaySettings(rate=5),)), True),
        (SmtpSettings(domain_rate=1), True),
        (SmtpSettings(domain_rates={"example.com": 2}), True),
    ],
)
def test_rates_are_shared_where_any_is_set(smtp: SmtpSettings, limited: bool) -> None:
    """Workers share their rates in Redis then; without any rate, there is no limit."""
    assert (bootstrap(Settings(smtp=smtp)).transport._limit is not None) is limited


@pytest.mark.parametrize(
    "wrong",
    [
        {"sender": "Tocsin <n@shop.test>"},
        {"sender": "n@shop"},
        {"bounce_address": "b"},
        {"bounce_domain": "b test"},
    ],
)
def test_a_sender_that_no_relay_could_accept_is_refused_at_the_start(wrong: dict[str, str]) -> None:
    """It would otherwise be refused once a message, as if the recipient were at fault."""
    with pytest.raises(ValidationError):
        MailSettings(**wrong)
