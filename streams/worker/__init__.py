"""The worker process: the Faust app, the stages it runs, readiness gate and heartbeat."""
