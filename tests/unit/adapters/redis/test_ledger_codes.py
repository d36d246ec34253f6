"""Codes in the ledger's rows: each member of the model has one, and the scripts know the same ones."""

import re
from enum import StrEnum

import pytest

from service.adapters.redis.ledger import codes
from service.adapters.redis.script_batch import Script
from service.model.catalogue import AudienceRule
from service.model.channels import Channel
from service.model.ledger import State
from service.model.reasons import Reason


@pytest.mark.parametrize(
    ("members", "listed", "code_of", "most"),
    [
        (State, codes.STATES, codes.STATE_CODES, 16),
        (Reason, codes.REASONS, codes.REASON_CODES, 63),
        (Channel, codes.CHANNELS, codes.CHANNEL_CODES, 15),
        (AudienceRule, codes.RULES, codes.RULE_CODES, 15),
    ],
    ids=["state", "reason", "channel", "rule"],
)
def test_every_member_has_one_code(
    members: type[StrEnum], listed: list[StrEnum], code_of: dict[StrEnum, int], most: int
) -> None:
    """A new member is added to the end of its list, and there is room for it in a step or a row."""
    assert set(listed) == set(members)
    assert len(listed) == len(members) <= most
    numbers = 16 if members is State else 256  # a state has four bits: the sixteenth has the code 0
    assert code_of == {member: code % numbers for code, member in enumerate(listed, 1)}


def test_the_scripts_know_the_codes_of_states() -> None:
    """The states that the scripts name have the codes that rows have."""
    text = (Script("ledger_functions").texts.popitem())[1]
    (line,) = re.findall(r"^local (\w+(?:, \w+)*) = ([\d, ]+) -- codes of states", text, re.MULTILINE)
    names, numbers = (part.split(", ") for part in line)

    expected = {
        name: codes.STATE_CODES[State(name.lower())]
        for name in ("QUEUED", "SENDING", "HELD", "DEFERRED", "AMBIGUOUS", "DIGESTED")
    }
    assert f"local NO_REASON = {codes.REASON_CODES[Reason.none]} " in text
    assert dict(zip(names, map(int, numbers), strict=True)) == expected


def test_every_detail_has_one_code() -> None:
    """A detail is a text of the model's decisions, and its code fits into a byte."""
    assert len(codes.DETAIL_CODES) == len(codes.DETAILS) <= 255
