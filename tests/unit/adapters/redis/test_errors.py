"""Error replies of Redis, Valkey, hosted servers and proxies: an outage, or a fault of one command's data."""

from typing import Any

import pytest
from redis._parsers.base import BaseParser

from service.adapters.redis.errors import unavailable_reason

IN_SCRIPT = "ERR Error running script (call to f_8a5c): @user_script:5: @user_script: 5: "
"""How servers before Redis 7 report an error of a command inside a script."""

REPLIES = {
    "READONLY You can't write against a read only replica. script: 8a5c, on @user_script:5.": "read_only",
    f"{IN_SCRIPT}-READONLY You can't write against a read only replica.": "read_only",
    "-READONLY You can't write against a read only replica.": "read_only",
    "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.": "read_only",
    "UNBLOCKED force unblock from blocking operation, instance state changed (master -> replica?)": "read_only",
    "LOADING Redis is loading the dataset in memory": "loading",
    f"{IN_SCRIPT}-LOADING Redis is loading the dataset in memory": "loading",
    "OOM command not allowed when used memory > 'maxmemory'. script: 8a5c, on @user_script:5.": "out_of_memory",
    f"{IN_SCRIPT}-OOM command not allowed when used memory > 'maxmemory'.": "out_of_memory",
    "ERR OOM command not allowed when used memory > 'maxmemory'": "out_of_memory",
    "MISCONF Errors writing to the AOF file: No space left on device": "disk_write_failed",
    f"{IN_SCRIPT}-MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist to disk.": (
        "disk_write_failed"
    ),
    "NOREPLICAS Not enough good replicas to write.": "too_few_replicas",
    f"{IN_SCRIPT}-NOREPLICAS Not enough good replicas to write.": "too_few_replicas",
    "CLUSTERDOWN The cluster is down and only accepts read commands": "cluster_down",
    "ERR Error running script: -CLUSTERDOWN Failed to execute command due to cluster down": "cluster_down",
    f"{IN_SCRIPT}Script attempted to access a non local key in a cluster node": "slots_moving",
    "TRYAGAIN Multiple keys request during rehashing of slot": "slots_moving",
    "MOVED 3999 :6381": "slots_moving",
    "BUSY Valkey is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.": "script_busy",
    "NOSCRIPT No matching script. Please use EVAL.": "scripts_missing",
    "NOAUTH Authentication required.": "auth_failed",
    "WRONGPASS invalid username-password pair or user is disabled.": "auth_failed",
    "NOPERM User tocsin has no permissions to run the 'evalsha' command": "permission_denied",
    f"{IN_SCRIPT}The user executing the script can't run this command or subcommand": "permission_denied",
    "ERR The user executing the script can't access at least one of the keys mentioned in the command arguments "
    "script: 8a5c, on @user_script:5.": "permission_denied",
    "ERR max number of clients + cluster connections reached": "server_error",
    "ERR DB index is out of range": "server_error",
    "ERR unknown command 'EVALSHA', with args beginning with: ": "server_error",
    # proxies and hosted servers, which report themselves under the code ERR or without a code
    "upstream failure": "server_error",
    "ERR Host is down": "server_error",
    "ERR No route to host": "server_error",
    "ERR illegal address: 192.0.2.1": "server_error",
    "ERR DB capacity quota exceeded, limit: 268435456 bytes": "server_error",
    "ERR max daily request limit exceeded. Limit: 10000, Usage: 10000.": "server_error",
    "ERR internal error": "server_error",
    # a command and its data: such a record becomes a dead letter, and holds up no other
    "WRONGTYPE Operation against a key holding the wrong kind of value": None,
    f"{IN_SCRIPT}WRONGTYPE Operation against a key holding the wrong kind of value": None,
    "ERR user_script:7: attempt to index local 'connection' (a nil value) script: 8a5c, on @user_script:7.": None,
    "ERR Error running script (call to f_8a5c): @user_script:7: user_script:7: bad argument #1 to 'insert'": None,
    "ERR value is not an integer or out of range": None,
    "ERR value is not a valid float": None,
    "ERR string exceeds maximum allowed size (proto-max-bulk-len)": None,
    "ERR wrong number of arguments for 'hset' command": None,
}


class _Parser(BaseParser):
    """redis-py's parser of error replies, with nothing to read from."""

    def on_connect(self, connection: Any) -> None: ...
    def on_disconnect(self) -> None: ...
    def can_read(self, timeout: Any) -> Any: ...
    def read_response(self, *_: Any, **__: Any) -> Any: ...


@pytest.mark.parametrize("reply", REPLIES)
def test_a_reply_is_an_outage_unless_it_is_certainly_about_data(reply: str) -> None:
    """The texts are those of servers from 6.2 on, as redis-py classes them."""
    error = _Parser().parse_error(reply)  # type: ignore[no-untyped-call]
    assert unavailable_reason(error) == REPLIES[reply]
