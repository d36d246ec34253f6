"""What `tocsin doctor` says of the workers that run."""

from service.cli.checks import Status
from service.cli.checks.workers import check_running
from service.model.worker import REQUIRED_STAGES, ServiceReport, WorkerReport
from service.pipeline.operate.problems import Observation


def _report(worker: str, catalogue: str) -> WorkerReport:
    services = tuple(ServiceReport(worker=worker, service=name, since_ms=0) for name in REQUIRED_STAGES)
    return WorkerReport(
        worker=worker, at_ms=1, started_ms=0, version="1", catalogue=catalogue, services=services
    )


def test_workers_with_different_catalogues_are_a_warning() -> None:
    """With how many have which; one that does not say it yet is left out."""
    old, new, mute = _report("a", "0123"), _report("b", "4567"), _report("c", "")

    def findings(*reports: WorkerReport) -> list[tuple[str, Status]]:
        seen = Observation(1, list(reports), dict.fromkeys(REQUIRED_STAGES, 1))
        return [(one.detail, one.status) for one in check_running(seen) if one.check == "workers"]

    (running,) = findings(old, old, mute)
    assert running[1] is Status.ok
    running, differing = findings(old, old, new)
    assert running[1] is Status.ok
    assert differing == ("they have different catalogues or templates: 0123 on 2, 4567 on 1", Status.warn)
