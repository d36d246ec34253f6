"""`tocsin audit` of a Redis that holds no whole ledger."""

import pytest

from service.cli.audit import _audit
from service.cli.support.output import CliError


async def test_an_empty_redis_is_not_balanced(valkey_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The sums of a ledger that is not there say nothing: the command fails, and names the reason."""
    monkeypatch.setenv("TOCSIN_REDIS__URL", valkey_url)
    monkeypatch.setenv("TOCSIN_MODE", "dev")
    with pytest.raises(CliError, match="no whole ledger to audit: Redis is not complete"):
        await _audit(repair=False, patience_s=0)
