"""A CloudEvent in a request body, as a model for the document; `service.pipeline.resolve.ingest` reads it."""

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field


class CloudEvent(BaseModel):
    """An event (CloudEvents 1.0). The AsyncAPI document has the data of every notification type."""

    model_config = ConfigDict(extra="allow")

    specversion: Literal["1.0"] | None = None
    id: str = Field(min_length=1, examples=["4711"])
    source: str = Field(min_length=1, examples=["/auctions"])
    type: str = Field(
        min_length=1,
        description="A notification type, with or without a reverse-DNS prefix.",
        examples=["overbid"],
    )
    time: datetime | None = None
    recipients: list[str] | str | None = Field(
        default=None, description="The recipients, for types that are for users.", examples=[["alice"]]
    )
    data: dict[str, Any] | None = Field(default=None, examples=[{"lot_id": "1"}])
