"""What operators see of the running system: workers with their stages and relays, and what is wrong."""

from pydantic import BaseModel, Field

from service.model.worker import WorkerReport
from service.pipeline.operate.problems import ProblemKind, Severity


class WorkerList(BaseModel):
    """The workers that run."""

    workers: list[WorkerReport]


class ProblemReport(BaseModel):
    """What is wrong, since when, why, and what to do."""

    kind: ProblemKind
    severity: Severity = Field(description="`critical`: deliveries wait until it is solved.")
    subject: str = Field(description="The stages, the relay or the server that has it.")
    since_ms: int | None = Field(description="Since when; null where that is not known.")
    sentence: str
    detail: str = Field(description="The reason, with the words of the relay or the server.")
    remedy: str = Field(description="What to do, with the exact command or setting.")
    stages: list[str] = Field(description="The stages, or lanes of email, whose deliveries wait for it.")


class ProblemList(BaseModel):
    """What is wrong now; empty where nothing is."""

    problems: list[ProblemReport]
