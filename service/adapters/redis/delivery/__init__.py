"""What delivering needs in Redis: due set, worker heartbeats, supersede keys, withdrawals, rates, soft bounces."""
