"""What a worker reports of a relay."""

from service.model.reasons import Reason, SendReason
from service.model.relay import REMEDIES, RelayHealth, RelayReport, RelayState


def test_a_report_masks_the_addresses_in_a_reply() -> None:
    """Other processes show it: a reply often repeats the recipient's address."""
    health = RelayHealth(
        "relay1",
        RelayState.misconfigured,
        Reason.sender_refused,
        "553 <ann@shop.test>: not owned",
        1.0,
        0,
        0,
        0,
        7,
    )
    assert "ann@shop.test" not in health.report.detail
    assert RelayReport.model_validate_json(health.report.model_dump_json()) == health.report
    assert health.report.remedy


def test_every_state_that_needs_an_operator_has_a_remedy() -> None:
    """A relay that refuses us says what to do."""
    needs = {
        SendReason.auth_failed,
        SendReason.misconfigured,
        Reason.account_refused,
        Reason.sender_refused,
        Reason.sender_unauthenticated,
        Reason.host_refused,
        Reason.relaying_denied,
    }
    assert needs <= REMEDIES.keys()
