"""Messages that come back by mail: bounces (RFC 3464, or only words) and complaints (RFC 5965).

1. `mime` reads a message in linear time, within limits.
2. `read` says what it is: `automatic` knows absence notes and receipts, `status_part` the parts for machines, `words`
   the texts for humans. The result is a `report`.
3. `diagnose` classifies the report, by the same table as a relay's replies.
4. `process` finds its delivery by the signed envelope sender, writes the ledger, suppresses the address or scores it.
"""
