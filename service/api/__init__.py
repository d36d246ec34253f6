"""The HTTP API that upstream services, applications and inbox clients call.

A request passes these steps:

1. `protocol` reads the request, and limits its size, its time and the connections of an address.
2. `middleware` refuses unknown methods and large or compressed bodies, adds security headers to the response and counts
   the request.
3. `auth.guard` authenticates the caller, checks its scope, then applies its rate limit.
4. `representations.body` reads strict JSON and validates it against the route's model.
5. The handler in `routes`, one module a resource, calls the ports and pipeline functions of `deps`.
6. `errors` renders every exception: JSON:API error objects for the inbox, RFC 9457 problems elsewhere.

`reference.openapi` builds the document that `python -m service.api` prints; `reference.page` shows it at `/docs`.
"""
