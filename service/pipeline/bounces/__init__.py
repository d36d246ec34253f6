"""Reports that come back by mail: bounces (RFC 3464) and complaints (RFC 5965).

1. `dsn` reads the report in a message.
2. `process` finds its delivery by the signed envelope sender, writes the ledger, suppresses the address or scores it.
"""
