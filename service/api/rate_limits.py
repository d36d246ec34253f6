"""Rate limits of callers, reported in response headers (draft-ietf-httpapi-ratelimit-headers, RFC 6585)."""

from starlette.requests import Request

from service.api.deps import deps_of
from service.api.errors import ApiError
from service.api.middleware import set_response_headers


async def enforce_rate_limit(request: Request, name: str, caller: str, *, cost: int = 1) -> None:
    """Count this request of `caller`, or as many as `cost` says, against the limit of that name in the settings.

    An empty limit counts nothing. Raise ApiError 429 when the limit is exceeded, Unavailable when the counter is.
    """
    deps = deps_of(request)
    rate = getattr(deps.settings.limits, name)
    if not rate:
        return
    quota = await deps.rate_limits.hit(rate, f"{name}:{caller}", cost)
    # Before a refusal, so that a 429 has these headers too.
    set_response_headers(
        request.scope,
        (b"ratelimit-limit", b"%d" % quota.limit),
        (b"ratelimit-remaining", b"%d" % quota.remaining),
        (b"ratelimit-reset", b"%d" % quota.reset_s),
        (b"ratelimit-policy", b"%d;w=%d" % (quota.limit, quota.window_s)),
    )
    if not quota.allowed:
        raise ApiError(
            429,
            f"More than {quota.limit} requests in {quota.window_s} seconds.",
            code="rate-limited",
            headers={"Retry-After": str(quota.reset_s)},
        )
