"""Tokens of unsubscribe links."""

from base64 import urlsafe_b64decode

import pytest

from service.model.blocks.unsubscribe import unsubscribe_key
from service.model.catalogue import AudienceRule
from service.model.channels import Channel
from service.model.delivery import Delivery
from service.model.ids import address_key
from service.pipeline.tables.unsubscribe_tokens import (
    DigestTarget,
    TokenExpired,
    UnsubscribeTokens,
    token_candidates,
)
from tests.support.cost_growth import assert_linear

DAY_MS = 86_400_000
NOW = 1_700_000_000_000
OLD, NEW = "old-secret-old-secret", "new-secret-new-secret"


def delivery(rule: AudienceRule = AudienceRule.users, **fields: object) -> Delivery:
    base = {
        "id": "0" * 24, "event": "1" * 24, "event_id": "1", "source": "/t", "type": "overbid", "channel": Channel.email,
        "recipient": "alice", "rule": rule, "created_ms": NOW, "received_ms": NOW, "deadline_ms": NOW + DAY_MS,
        "address": "alice@example.com",
    }  # fmt: skip
    return Delivery(**(base | fields))  # type: ignore[arg-type]


def test_a_token_holds_recipient_and_type_without_personal_data() -> None:
    """Only a hash of the recipient is in it; the same delivery has the same token at every attempt."""
    tokens = UnsubscribeTokens([NEW], 30)

    token = tokens.token(delivery())

    assert tokens.read(token, NOW) == (unsubscribe_key("", "alice", "overbid"), "overbid")
    assert "alice" not in token
    assert b"alice" not in urlsafe_b64decode(token.rpartition(".")[2] + "==")
    assert tokens.token(delivery(attempt=3)) == token
    assert tokens.token(delivery(recipient="bob")) != token
    assert tokens.token(delivery(type="winner")) != token


def test_a_token_proves_the_address_of_a_complaint() -> None:
    """Also once it has expired; a changed one proves nothing. It is found in any text around it."""
    tokens = UnsubscribeTokens([NEW], 30)
    token = tokens.token(delivery())

    assert tokens.address_key(token) == address_key("Alice@Example.com")
    assert token_candidates(f"List-Unsubscribe: <https://x.test/unsubscribe/{token}>, <mailto:x>") == [token]
    for changed in (token[:-3] + "AAA", token.replace("overbid", "winner"), "x"):
        with pytest.raises(ValueError, match="token"):
            tokens.address_key(changed)


def test_a_contact_belongs_to_its_account() -> None:
    """The same id in another account, or in none, is another recipient; the group or role does not matter."""
    tokens = UnsubscribeTokens([NEW], 30)
    keys = {
        tokens.read(tokens.token(delivery(rule, matched=matched)), NOW).key
        for rule, matched in [
            (AudienceRule.account, "acme"),
            (AudienceRule.account, "other"),
            (AudienceRule.users, ""),
        ]
    }

    assert len(keys) == 3
    same = {
        tokens.token(delivery(rule, matched=matched))
        for rule, matched in [(AudienceRule.group, "1|"), (AudienceRule.role, "admin")]
    }
    assert same == {tokens.token(delivery())}


def test_a_token_of_digests_names_the_group_and_the_recipient() -> None:
    """The recipient is encrypted. Each type has the key of its own link; a digest has the same token each time."""
    tokens = UnsubscribeTokens([NEW], 30)
    contact = delivery(AudienceRule.account, matched="acme", type="digest")
    token = tokens.digest_token(delivery(type="digest"), "auction")

    target = tokens.read(token, NOW)
    assert target == DigestTarget("", "alice", "auction")
    assert isinstance(target, DigestTarget)
    assert target.of_type("overbid") == tokens.read(tokens.token(delivery()), NOW)
    assert tokens.read(tokens.digest_token(contact, "auction"), NOW) == ("acme", "alice", "auction")
    assert "alice" not in token
    assert b"alice" not in urlsafe_b64decode(token.partition(".")[0] + "==")
    assert tokens.digest_token(delivery(type="digest", attempt=3), "auction") == token
    with pytest.raises(TokenExpired):
        tokens.read(token, NOW + 31 * DAY_MS)


def test_a_token_of_digests_proves_the_address_of_a_complaint() -> None:
    """As that of a type does; a changed one proves nothing, and it cannot be made of other tokens."""
    tokens = UnsubscribeTokens([NEW, OLD], 30)
    token = tokens.digest_token(delivery(type="digest"), "auction")
    old = UnsubscribeTokens([OLD], 30).digest_token(delivery(type="digest"), "auction")
    other = tokens.digest_token(delivery(type="digest", recipient="bob"), "auction")

    assert tokens.address_key(token) == address_key("alice@example.com")
    assert tokens.read(old, NOW) == tokens.read(token, NOW)
    assert token_candidates(f"<https://x.test/unsubscribe/{token}?brand=shop>") == [token]
    mixed = f"{other.partition('.')[0]}.{token.partition('.')[2]}"
    forged = [token[:n] + ("1" if token[n] != "1" else "2") + token[n + 1 :] for n in range(len(token) - 1)]
    for text in [*forged, mixed, token.replace("auction", "account"), token[1:]]:
        with pytest.raises(ValueError, match="token"):
            tokens.address_key(text)


def test_a_token_fits_a_header() -> None:
    """A line of a header is limited: a digest for ids longer than that has no such link."""
    tokens = UnsubscribeTokens([NEW], 30)

    assert len(tokens.digest_token(delivery(recipient="x" * 128), "g" * 64)) < 700
    assert tokens.digest_token(delivery(recipient="\N{OLD PERSIAN SIGN A}" * 128), "g") == ""


def test_looking_for_tokens_takes_linear_time() -> None:
    """Text that looks like the beginning of many tokens costs no more than other text."""
    assert_linear(
        lambda size: "a" * size + ".1.x" + "-0123456789abcdef" * (size // 17), token_candidates, size=20_000
    )


def test_secrets_can_be_replaced() -> None:
    """The first signs, all verify; a removed one does not."""
    before = UnsubscribeTokens([OLD], 30).token(delivery())
    both = UnsubscribeTokens([NEW, OLD], 30)

    assert both.read(before, NOW) == both.read(both.token(delivery()), NOW)
    assert UnsubscribeTokens([NEW], 30).read(both.token(delivery()), NOW)
    with pytest.raises(ValueError, match="not a token"):
        UnsubscribeTokens([NEW], 30).read(before, NOW)


def test_a_token_expires() -> None:
    """Valid for its days; after them TokenExpired is raised."""
    tokens = UnsubscribeTokens([NEW], 30)
    token = tokens.token(delivery())

    assert tokens.read(token, NOW + 29 * DAY_MS)
    with pytest.raises(TokenExpired):
        tokens.read(token, NOW + 31 * DAY_MS)


def test_a_changed_token_is_refused() -> None:
    """No character may differ, and no other text is accepted."""
    tokens = UnsubscribeTokens([NEW], 30)
    token = tokens.token(delivery())
    forged = [token[:n] + ("1" if token[n] != "1" else "2") + token[n + 1 :] for n in range(len(token) - 1)]

    for text in [
        *forged,
        "",
        ".",
        "x",
        token + "=",
        token * 3,
        "ü" + token,
        token.replace("overbid", "winner"),
    ]:
        with pytest.raises(ValueError, match="token"):
            tokens.read(text, NOW)


def test_a_secret_is_needed() -> None:
    """None or an empty one is refused."""
    for secrets in ([], [""]):
        with pytest.raises(ValueError, match="secret"):
            UnsubscribeTokens(secrets, 30)
