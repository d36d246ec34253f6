"""The worker process: the Faust app, its stages, heartbeat, state keeper and bounce listener."""
