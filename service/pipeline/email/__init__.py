"""The email channel.

1. `recheck` looks up what may have changed since resolve, and decides again.
2. `stage` renders and submits; `results` collects the relays' results in groups.
3. `batch_claims` and `claim` write `sending` with an owner epoch when a connection is about to send; `in_flight` knows
   the claims of this worker, and `lease` for how long no other worker can take them over.
4. `settle` turns a result into a transition and the time of the next attempt; `soft_bounces` scores mailboxes.
5. `schedule` dispatches deliveries of the due set again.
"""
