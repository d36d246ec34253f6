"""Tokens of links to a person's preferences."""

from base64 import urlsafe_b64decode

import pytest

from service.model.catalogue import AudienceRule
from service.model.delivery import Delivery
from service.pipeline.tables.preference_centre import PreferenceOwner
from service.pipeline.tables.preference_tokens import PreferenceTokens
from service.pipeline.tables.unsubscribe_tokens import TokenExpired

DAY_MS = 86_400_000
NOW_MS = 20_000 * DAY_MS + 5
TOKENS = PreferenceTokens(["new-secret-new-secret", "old-secret-old-secret"], 90)


def delivery(
    recipient: str = "alice", rule: AudienceRule = AudienceRule.users, matched: str = ""
) -> Delivery:
    return Delivery(
        id="d", event="e", event_id="e", source="/s", type="overbid", channel="email", recipient=recipient,
        rule=rule, matched=matched, created_ms=NOW_MS, received_ms=NOW_MS, deadline_ms=NOW_MS, document=b"{}",
    )  # type: ignore[arg-type]  # fmt: skip


@pytest.mark.parametrize(
    ("of", "owner"),
    [
        (delivery("é|\0 x"), PreferenceOwner("é|\0 x")),
        (delivery("carol", AudienceRule.role, "admin"), PreferenceOwner("carol")),
        (delivery("uuid", AudienceRule.account, "acme |"), PreferenceOwner("uuid", account="acme |")),
        (delivery("addr-1", AudienceRule.group, "12345|7"), PreferenceOwner("addr-1", group="12345|7")),
    ],
)
def test_a_token_is_of_the_delivery_s_person(of: Delivery, owner: PreferenceOwner) -> None:
    """Whoever it is for, and by whichever rule; it fits a URL and hides the id."""
    token = TOKENS.token(of)

    assert TOKENS.read(token, NOW_MS) == owner
    assert token.replace("-", "").replace("_", "").isalnum()
    assert owner.recipient.encode() not in urlsafe_b64decode(token + "==")


def test_every_attempt_has_the_same_token() -> None:
    """The bytes of a message do not change."""
    again = PreferenceTokens(["new-secret-new-secret"], 90)

    assert TOKENS.token(delivery()) == again.token(delivery())


def test_expiry() -> None:
    """A token is valid for 90 days, to the end of the day."""
    token = TOKENS.token(delivery())

    assert TOKENS.read(token, (20_000 + 90) * DAY_MS)
    with pytest.raises(TokenExpired):
        TOKENS.read(token, (20_000 + 90) * DAY_MS + 1)


def test_a_replaced_secret() -> None:
    """Tokens of the old secret work while it is listed."""
    token = PreferenceTokens(["old-secret-old-secret"], 90).token(delivery())

    assert TOKENS.read(token, NOW_MS).recipient == "alice"
    with pytest.raises(ValueError, match="not a token"):
        PreferenceTokens(["new-secret-new-secret"], 90).read(token, NOW_MS)


TOKEN = TOKENS.token(delivery())


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a",
        TOKEN[:-1],
        TOKEN + "A",
        TOKEN[1:],
        "A" + TOKEN[1:],
        "é",
        "x" * 5000,
        TOKEN.upper(),
        "!" * 40,
        "=" * 40,
    ],
)
def test_what_is_not_a_token(text: str) -> None:
    """A changed character makes another text, which no secret opens."""
    with pytest.raises(ValueError, match="not a token"):
        TOKENS.read(text, NOW_MS)


@pytest.mark.parametrize("secrets", [[], [""]])
def test_without_a_secret(secrets: list[str]) -> None:
    """There are no tokens."""
    with pytest.raises(ValueError, match="need a secret"):
        PreferenceTokens(secrets, 90)
