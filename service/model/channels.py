"""Channels as data: one row a channel, with every property that the code reads.

A third channel is one more row here, a stage, an adapter, a template block, settings and documents (CONTRIBUTING.md).
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import NamedTuple


class Channel(StrEnum):
    """A way to reach a recipient."""

    email = "email"
    inbox = "inbox"


class ChannelProperties(NamedTuple):
    """`medium`: the name in the contacts API.

    `addressed`: needs an address, so it reaches the members of a group, who are addresses and nothing else.
    `suppressible`: suppressions and unsubscribes apply. `retried`: a failed attempt is deferred to the due set.
    `lanes`: it has one dispatch topic a lane, so that a burst in one lane delays no other. `digested`: what comes by it
    can be put together in digests.
    """

    medium: str
    addressed: bool = False
    suppressible: bool = False
    retried: bool = False
    lanes: bool = False
    digested: bool = False


CHANNELS: Mapping[Channel, ChannelProperties] = {
    Channel.email: ChannelProperties(
        "email", addressed=True, suppressible=True, retried=True, lanes=True, digested=True
    ),
    Channel.inbox: ChannelProperties("api"),
}
"""A channel outside this table fails with KeyError instead of being routed by accident."""
