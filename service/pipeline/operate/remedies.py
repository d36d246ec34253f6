"""What an operator can do about a problem: the exact command or setting."""

from collections.abc import Mapping

from service.ports import ABSENT, CATCHING_UP, FILLING, REBUILDING

BY_ITSELF = "nothing: it is retried by itself"
START_ALL = "start one: `tocsin worker`"

_INCOMPLETE: Mapping[str, str] = {
    ABSENT: "run `tocsin rebuild`; a new installation needs a worker only, which fills it",
    REBUILDING: "wait for the rebuild; if none is running, run `tocsin rebuild` again",
    CATCHING_UP: "nothing: it ends by itself while a worker runs",
    FILLING: "nothing: it ends by itself while a worker runs",
}
_REDIS: Mapping[str, str] = {
    "credentials": "check the user and the password in TOCSIN_REDIS__URL",
    "access rules": "allow Tocsin's user the command that `ACL LOG` of Redis names",
    "out of memory": "raise maxmemory of Redis; its maxmemory-policy must be noeviction",
    "disk": "make room on the disk of Redis",
    "too few replicas": "start a replica, or lower min-replicas-to-write",
    "certificate": "check TOCSIN_REDIS__CA_FILE, and rediss:// in TOCSIN_REDIS__URL",
    "loading": "nothing: it ends by itself",
    "from Kafka first": "nothing: it ends by itself while a worker runs and Kafka answers",
    "moving its slots": "nothing, if it ends; else `redis-cli --cluster fix`",
}
_KAFKA: Mapping[str, str] = {
    "credentials": "check TOCSIN_KAFKA__USERNAME, TOCSIN_KAFKA__PASSWORD and TOCSIN_KAFKA__SASL_MECHANISM",
    "certificate": "check TOCSIN_KAFKA__CA_FILE",
    "TLS": "check TOCSIN_KAFKA__SECURITY",
    "allow us": "give Tocsin's user the right that is missing: on the cluster, a topic or a consumer group",
}


def run_stage(name: str) -> str:
    """Return how to run a stage that no worker runs."""
    return f"start one: `tocsin worker --stages {name}`"


def incomplete_remedy(reason: str) -> str:
    """Return what to do where Redis is not complete."""
    return _INCOMPLETE.get(reason, "run `tocsin rebuild`")


def redis_remedy(reason: str) -> str:
    """Return what to do where Redis cannot be used."""
    return _first(_REDIS, reason, "start Redis, or check TOCSIN_REDIS__URL and TOCSIN_REDIS__CLUSTER")


def kafka_remedy(reason: str) -> str:
    """Return what to do where Kafka cannot be used."""
    return _first(_KAFKA, reason, "start Kafka, or check TOCSIN_KAFKA__BOOTSTRAP and TOCSIN_KAFKA__SECURITY")


def pause_remedy(reason: str) -> str:
    """Return what to do about a stage that waits for something else."""
    if "relay" in reason:
        return "run `tocsin doctor` where the worker runs: it connects to each relay"
    return "nothing, if it ends; else look into the log of its worker"


def late_remedy(stage: str) -> str:
    """Return what to do about a stage that is behind."""
    name = stage.partition(".")[0]
    workers = f"add workers, up to one for each partition: `tocsin worker --stages {name}`"
    return f"{workers}; or raise TOCSIN_SMTP__RATE, if that is what limits it" if name == "email" else workers


def _first(remedies: Mapping[str, str], reason: str, otherwise: str) -> str:
    return next((remedy for words, remedy in remedies.items() if words in reason), otherwise)
