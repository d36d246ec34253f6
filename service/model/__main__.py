"""`python -m service.model` prints docs/reasons.md: the closed sets of reasons with their sentences."""

import sys
from collections.abc import Iterable

from service.model.reasons import DeadReason, Reason, SendReason

_PAGE = """\
# Reasons

Every reason that Tocsin gives is one of a closed set. This page is made from the code: `make docs`.

## Of a delivery

In the ledger, in `dispatch.outcomes`, in `tocsin explain` and `tocsin tail`.

{reasons}
## Of an SMTP attempt

In worker logs, readiness and metrics of a relay, beside the reasons above; not in the ledger.

{send_reasons}
## Of a dead letter

In the header `tocsin-reason` of `dispatch.dead-letter`, and as the `code` of a refused HTTP event.

{dead_reasons}"""


def reasons_page() -> str:
    """Return the page as Markdown."""
    return _PAGE.format(
        reasons=_table(reason for reason in Reason if reason),
        send_reasons=_table(SendReason),
        dead_reasons=_table(DeadReason),
    )


def _table(reasons: Iterable[Reason | SendReason | DeadReason]) -> str:
    rows = "".join(f"| `{reason.value}` | {reason.text} |\n" for reason in reasons)
    return f"| reason | meaning |\n|---|---|\n{rows}"


if __name__ == "__main__":
    sys.stdout.write(reasons_page())
