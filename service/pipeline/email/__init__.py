"""The email channel.

1. `recheck` looks up what may have changed since resolve, and decides again.
2. `claim` writes `sending` with an owner epoch; `in_flight` knows the claims of this worker.
3. `stage` renders and submits; `results` collects the relays' results in groups.
4. `settle` turns a result into a transition and the time of the next attempt; `soft_bounces` scores mailboxes.
5. `schedule` dispatches deliveries of the due set again.
"""
