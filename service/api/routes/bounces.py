"""POST /v1/bounces: bounces and complaints, from the mail server that receives returned mail or from a relay's hook."""

from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import JSONResponse

from service.api.auth.guard import MayWriteOperations
from service.api.deps import Deps
from service.api.errors import ApiError, not_found
from service.api.representations.body import parse_model, read_json
from service.api.representations.schemas import error_responses, request_body, response, schema_ref
from service.pipeline.bounces.report import RecipientReport, Report, ReportKind

router = APIRouter(prefix="/v1/bounces", tags=["bounces"])

_MESSAGE = "message/rfc822"
_MESSAGES = (_MESSAGE, "message/global")  # the second is RFC 6532's


class BounceForm(BaseModel):
    """A bounce or complaint as JSON. The signature in `sender`, the original envelope sender, authenticates it."""

    model_config = ConfigDict(extra="forbid")

    sender: str = Field(max_length=320)
    kind: Literal["bounce", "complaint"] = "bounce"
    action: Literal["", "failed", "delayed", "relayed", "expanded", "delivered"] = Field(
        default="",
        description="The action (RFC 3464 section 2.3.3): `failed` is final, whatever the status. Without it, status "
        "and detail decide.",
    )
    status: str = Field(
        default="",
        pattern=r"^([245]\.\d{1,3}\.\d{1,3})?$",
        description="The enhanced status code (RFC 3463).",
    )
    address: str = Field(
        default="", max_length=320, description="The address that the original message was sent to."
    )
    detail: str = Field(default="", max_length=1000)


class BounceReceipt(BaseModel):
    """The effect of a report: `returned` is recorded and not judged, `received` came to a mailbox for humans.

    `dropped` reports have none; `reason` says why.
    """

    what: Literal["bounced", "complained", "returned", "received", "dropped"]
    reason: str


_BODY = request_body(schema_ref(BounceForm))
_BODY["requestBody"]["content"][_MESSAGE] = {"schema": {"type": "string", "format": "binary"}}


@router.post(
    "",
    operation_id="report_bounce",
    summary="Report a bounce or a complaint",
    responses={
        200: response(schema_ref(BounceReceipt)),
        **error_responses(400, 401, 403, 404, 413, 415, 422, 429, 503),
    },
    openapi_extra=_BODY,
)
async def report(
    request: Request,
    principal: MayWriteOperations,
    deps: Deps,
    recipient: Annotated[
        str,
        Query(
            max_length=320,
            description="The envelope recipient of a message, for servers that do not add it to the headers.",
        ),
    ] = "",
) -> JSONResponse:
    """Report a returned message (RFC 3464, RFC 5965, or only words), or the same facts as JSON.

    A repeated report counts once.
    """
    if deps.bounces is None:
        raise not_found("bounce domain")
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    envelope = (recipient,) if recipient else ()
    if media_type in _MESSAGES:
        result = await deps.bounces.process_message(await request.body(), envelope)
    elif media_type == "application/json":
        form = parse_model(BounceForm, await read_json(request))
        kind = ReportKind(form.kind)
        addresses = tuple(filter(None, (form.address,)))
        reported = RecipientReport(form.action, form.status, form.detail, addresses)
        parsed = Report(kind, (reported,), "abuse" if kind is ReportKind.complaint else "")
        result = await deps.bounces.process_report(parsed, (form.sender, *envelope))
    else:
        detail = f"The body must be {_MESSAGE} or application/json."
        raise ApiError(415, detail, code="unsupported-media-type")
    return JSONResponse({"what": result.result, "reason": result.reason})
