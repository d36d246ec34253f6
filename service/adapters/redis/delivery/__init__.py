"""Redis storage for delivering: due set, worker heartbeats, supersede keys, withdrawals, rates, soft bounces."""
