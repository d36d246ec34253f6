"""POST /v1/bounces: bounces and complaints from whoever receives our mail's returns, or from a relay's own notices."""

from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import JSONResponse

from service.api.auth.guard import MayOperate
from service.api.body import parse_model, read_json
from service.api.deps import Deps
from service.api.docs import answer, json_body, ref, refusals
from service.api.errors import ApiError, not_found
from service.pipeline.bounces.dsn import Report, ReportKind

router = APIRouter(prefix="/v1/bounces", tags=["bounces"])

_MAIL = "message/rfc822"


class BounceForm(BaseModel):
    """A notice that is no mail. `sender` is the envelope sender that the mail had: its signature is the proof."""

    model_config = ConfigDict(extra="forbid")

    sender: str = Field(max_length=320)
    kind: Literal["bounce", "complaint"] = "bounce"
    status: str = Field(default="", pattern=r"^([245]\.\d{1,3}\.\d{1,3})?$", description="RFC 3463.")
    address: str = Field(default="", max_length=320, description="Where the mail went.")
    detail: str = Field(default="", max_length=1000)


class BounceTaken(BaseModel):
    """What was made of it: `dropped` says why it was not believed."""

    what: Literal["bounced", "complained", "scored", "dropped"]
    reason: str


_BODY = json_body(ref(BounceForm))
_BODY["requestBody"]["content"][_MAIL] = {"schema": {"type": "string", "format": "binary"}}


@router.post(
    "",
    summary="Report a bounce or a complaint",
    responses={200: answer(ref(BounceTaken)), **refusals(400, 401, 403, 404, 413, 415, 422, 429, 503)},
    openapi_extra=_BODY,
)
async def report(
    request: Request,
    principal: MayOperate,
    deps: Deps,
    recipient: Annotated[
        str,
        Query(max_length=320, description="The address that a mail came to, where its headers do not tell."),
    ] = "",
) -> JSONResponse:
    """A whole mail (RFC 3464, RFC 5965) or a notice as JSON. Given twice, it counts once, but for what only scores."""
    if deps.bounces is None:
        raise not_found("bounce domain")
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    envelope = (recipient,) if recipient else ()
    if media_type == _MAIL:
        taken = await deps.bounces.take(await request.body(), envelope)
    elif media_type == "application/json":
        form = parse_model(BounceForm, await read_json(request))
        kind = ReportKind(form.kind)
        action = "failed" if kind is ReportKind.bounce else "abuse"
        given = Report(kind, action, form.status, tuple(filter(None, (form.address,))), form.detail)
        taken = await deps.bounces.reported(given, (form.sender, *envelope))
    else:
        raise ApiError(415, f"The body must be {_MAIL} or application/json.", code="unsupported-media-type")
    return JSONResponse({"what": taken.what, "reason": taken.reason})
