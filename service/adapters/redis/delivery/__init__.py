"""Redis storage for delivery: due set, heartbeats, relay reports, supersede keys, withdrawals, rates, soft bounces."""
