"""The ports of `explain` on their adapters: what `service.bootstrap` has, without mail, templates and stages.

A command that only reads starts in half the time with it.
"""

from dataclasses import dataclass

from service.adapters.catalogue_file import configured_catalogue
from service.adapters.redis.client import Store
from service.adapters.redis.connect.lineage import LineageCheck
from service.adapters.redis.delivery.digest_windows import RedisDigestWindows
from service.adapters.redis.delivery.due import RedisDueSet
from service.adapters.redis.delivery.worker_reports import RedisWorkerReports
from service.adapters.redis.ledger.ledger import RedisLedger
from service.adapters.redis.operate.address_search import RedisAddressSearch
from service.adapters.redis.state_history import RedisStateHistory
from service.adapters.redis.tables.tables import RedisTables
from service.adapters.system_clock import SystemClock
from service.model.catalogue import DIGEST_TYPE, Catalogue
from service.pipeline.operate.explain import Explainer
from service.pipeline.operate.problems import Observer
from service.ports import Clock, OutcomeLog, Tables
from service.settings import Settings


@dataclass(frozen=True, slots=True)
class ExplainParts:
    """The explainer, and the tables and the connection to Redis that it uses."""

    explain: Explainer
    tables: Tables
    store: Store


def explain_parts(settings: Settings, outcomes: OutcomeLog | None = None) -> ExplainParts:
    """Return the explainer of these settings; connect to nothing yet. Raise CatalogueError."""
    catalogue = configured_catalogue(settings)
    store = Store(settings.redis, guarded=True)
    store.connection_checks.append(LineageCheck(RedisStateHistory(store).lineage))
    ledger, tables, clock = RedisLedger(store, index_s=index_s(catalogue)), RedisTables(store), SystemClock()
    observer = Observer(RedisWorkerReports(store), tables, RedisDueSet(store), clock)
    return ExplainParts(
        explainer(catalogue, store, ledger, observer, clock=clock, outcomes=outcomes), tables, store
    )


def explainer(
    catalogue: Catalogue,
    store: Store,
    ledger: RedisLedger,
    observer: Observer,
    *,
    clock: Clock,
    outcomes: OutcomeLog | None,
) -> Explainer:
    """Return the explainer of events and recipients. `outcomes` has what relays said to accepted messages."""
    return Explainer(
        catalogue,
        ledger,
        ledger,
        RedisTables(store),
        due=RedisDueSet(store),
        windows=RedisDigestWindows(store),
        search=RedisAddressSearch(store),
        observer=observer,
        clock=clock,
        outcomes=outcomes,
    )


def index_s(catalogue: Catalogue) -> int:
    """Return how long the index by recipient keeps a delivery, in seconds: longer than the ledger keeps its row."""
    longest_s: int = max(one.kept_s for one in (*catalogue, DIGEST_TYPE))
    return max(RedisLedger.INDEX_S, longest_s * 3 // 2)
