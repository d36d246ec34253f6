"""The worker process: the Faust app, its stages, readiness gate, heartbeat, state keeper and bounce listener."""
