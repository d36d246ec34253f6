"""The HTTP API that upstream services, applications and inbox clients call.

A request passes these steps:

1. `middleware` limits the size of the body, adds security headers to the response and counts the request.
2. `auth.guard` authenticates the caller, checks its scope, then applies its rate limit.
3. `representations.body` reads strict JSON and validates it against the route's model.
4. The handler in `routes`, one module a resource, calls the ports and pipeline functions of `deps`.
5. `errors` renders every exception: JSON:API error objects for the inbox, RFC 9457 problems elsewhere.

`reference.openapi` builds the document that `python -m service.api` prints; `reference.page` shows it at `/docs`.
"""
