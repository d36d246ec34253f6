"""The resolve stage: events become deliveries.

1. `ingest` parses and checks an event (`strict_json`: its JSON), or refuses it with a reason.
2. `audience` turns its rules into candidates, from rows of the tables.
3. `decide` makes a delivery of each candidate and channel; `precedence` decides which setting wins.
4. `stage` writes the ledger and then the messages; `withdraw` does what a withdrawal says.
"""
