"""What `explain` and `what-if` answer, as models: they describe the documents of `service.pipeline.operate`.

A field of type `Absent` is left out where there is nothing to say; times are milliseconds since the epoch.
"""

from typing import Literal

from pydantic import BaseModel, Field

from service.api.representations.operation_state import ProblemReport
from service.api.representations.schemas import Absent
from service.model.channels import Channel
from service.model.ledger import State
from service.model.recipient import Choice
from service.model.relay import RelayState

_REASON = "A reason, as docs/reasons.md lists them; empty for the ordinary way."
_FOUND = "The rule of the audience that matched: users, role, account or group."


class ExplainFilter(BaseModel):
    """The query that was answered."""

    event: str | Absent = None
    source: str | Absent = None
    recipient: str | Absent = None
    address: str | Absent = None
    type: str | Absent = None
    since_ms: int | Absent = None
    limit: int
    delivery: str | Absent = None


class Suppressed(BaseModel):
    """A suppression in force; `until_ms` is there if it ends by itself."""

    reason: str = Field(description=_REASON)
    since_ms: int
    until_ms: int | Absent = None


class Unsubscribed(BaseModel):
    """An unsubscribe, and by what it was made."""

    since_ms: int
    by: str


class Blocked(BaseModel):
    """What stops a delivery's mail now."""

    suppressed: Suppressed | Absent = None
    unsubscribed: Unsubscribed | Absent = None


class ExplainedRecipient(BaseModel):
    """A recipient as the tables have it now; one that is not known has no address, roles or preferences."""

    recipient: str
    known: bool
    address: str | Absent = None
    roles: list[str] | Absent = None
    preferences: dict[str, Choice] | Absent = Field(
        default=None, description="The choices that were set, by `type:channel`."
    )
    suppressed: Suppressed | None
    unsubscribed: dict[str, Unsubscribed] = Field(description="By notification type.")


class ExplainedHead(BaseModel):
    """What the ledger keeps of an event. One that was withdrawn before it came has only a key and `withdrawn_ms`."""

    key: str
    type: str | Absent = None
    source: str | Absent = None
    id: str | Absent = None
    time_ms: int | Absent = None
    received_ms: int | Absent = None
    position: str | Absent = Field(default=None, description="Its record: topic, partition and offset.")
    external_id: str | Absent = None
    project_id: str | Absent = None
    account: str | Absent = None
    actor: str | Absent = None
    expires_ms: int | Absent = None
    stated_ms: int | Absent = Field(
        default=None, description="Its own time, where that is further ahead than clocks may differ."
    )
    recipients: int | Absent = Field(default=None, description="How many recipients it names.")
    withdrawn_ms: int | Absent = None


class ExplainedRule(BaseModel):
    """A rule of the type's audience, with the event's values for it."""

    rule: str = Field(description="users, role, account or group")
    named: int | Absent = Field(default=None, description="users: how many the event names.")
    role: str | Absent = None
    account: str | None = Field(default=None, description="account: the event's; null if it names none.")
    external_id: str | None = Field(default=None, description="group: the event's; null if it names none.")
    project_id: str | Absent = None


class ExplainedStep(BaseModel):
    """A state that a delivery came into; `relay` and `reply` are there if a relay has replied."""

    state: State
    at_ms: int
    attempt: int
    reason: str = Field(description=_REASON)
    reason_text: str
    detail: str
    relay: str | Absent = None
    reply: str | Absent = None


class ExplainedDigest(BaseModel):
    """The digest that a delivery is in: a delivery of its own, with its present state."""

    delivery: str
    event: str
    state: State | Literal[""] = Field(description="Empty where the ledger no longer has it.")
    reason: str = Field(description=_REASON)
    reason_text: str
    detail: str
    at_ms: int
    next_ms: int | None = Field(description="When the digest goes, or is attempted again.")


class DigestItemReport(BaseModel):
    """A delivery in a digest. Of one that was sent, only the ids are known."""

    delivery: str
    event: str
    event_id: str | Absent = None
    type: str | Absent = None


class ExplainedDelivery(BaseModel):
    """A delivery with its history, the newest step first."""

    recipient: str
    channel: Channel
    delivery: str = Field(description="The delivery's id.")
    found: str = Field(description=_FOUND)
    scope: str = Field(description="What the rule matched: the role, the account or the group.")
    state: State
    open: bool = Field(description="Whether the state can still change by itself.")
    reason: str = Field(description=_REASON)
    reason_text: str
    decided: str = Field(description="The detail of the first decision.")
    preference: Choice | None = Field(description="The current one; null if it was never set.")
    stopped: Blocked | None
    attempts: int
    next_ms: int | None = Field(description="Until when it is held, or when the next attempt is due.")
    digest: ExplainedDigest | None = Field(description="The digest that it is in; null if it goes alone.")
    items: list[DigestItemReport] = Field(description="Of a digest: what is in it.")
    steps: list[ExplainedStep]


class MissingDelivery(BaseModel):
    """A recipient and channel without a delivery; `words` has the reason, rule by rule."""

    recipient: str
    channel: Channel
    reason: str
    reason_text: str
    words: str


class DeliverySums(BaseModel):
    """Counts by state, of all of the event's deliveries; `balanced` if every one of them is counted."""

    recipients: int
    resolved: int
    final: dict[str, int]
    open: dict[str, int]
    balanced: bool


class ExplainedEvent(BaseModel):
    """An event, the audience of its type, its deliveries, and those that were not made."""

    event: ExplainedHead
    audience: list[ExplainedRule]
    deliveries: list[ExplainedDelivery]
    not_made: list[MissingDelivery]
    sums: DeliverySums


class ExplainedRelay(BaseModel):
    """A relay that a worker has trouble with, and what an operator can do."""

    worker: str
    relay: str
    state: RelayState
    since_ms: int
    reason: str
    detail: str
    remedy: str


class Explanation(BaseModel):
    """The events that a query matches, the recipients that it names, and relays in trouble.

    `problems`: what is wrong now, where a delivery that is shown waits for it; the first to be solved first.
    """

    query: ExplainFilter = Field(alias="asked")
    people: list[ExplainedRecipient]
    events: list[ExplainedEvent]
    relays: list[ExplainedRelay]
    problems: list[ProblemReport]


class PredictedEvent(BaseModel):
    """An event as it was parsed."""

    key: str
    id: str
    source: str
    type: str
    time_ms: int


class PredictedDecision(BaseModel):
    """A decision on a delivery; the state is empty where no rule matches the recipient."""

    state: State | Literal[""]
    reason: str = Field(description=_REASON)
    reason_text: str
    why: str
    until_ms: int | None = Field(description="Until when it would be held; null if it would go at once.")
    digest: str = Field(description="The group of the digest that it would be in; empty if it goes alone.")


class DeliveryPrediction(PredictedDecision):
    """A delivery as it would be made."""

    recipient: str
    channel: Channel
    found: str = Field(description=_FOUND)
    scope: str
    reminder: int = Field(description="Which reminder of its event it is; 0 for none.")
    address: str


class EventPrediction(BaseModel):
    """The deliveries of an event, at most 1,000 of them, and the counts of all by state."""

    event: PredictedEvent
    would: list[DeliveryPrediction]
    counts: dict[str, int]


class DifferenceCounts(BaseModel):
    """How many more deliveries there would have been, and how many fewer."""

    more: int
    fewer: int


class PredictedDifference(BaseModel):
    """A recipient and channel that would be notified only with, or only without, the change."""

    event: PredictedEvent
    recipient: str
    channel: Channel
    before: PredictedDecision
    after: PredictedDecision


class ChangePrediction(BaseModel):
    """How a change would have altered past deliveries: the number of events, and at most 1,000 differences."""

    events: int
    counts: DifferenceCounts
    differences: list[PredictedDifference]
