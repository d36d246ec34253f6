"""Deliver messages to SMTP relays: one round trip per message where the relay pipelines, one result per message.

The procedure for a message, in order:

1. Check the envelope (transport, envelope). MAIL FROM and RCPT TO hold exactly one Mailbox each (RFC 5321 section
   4.1.2, RFC 6531 section 3.3); the sender may be the null reverse-path (RFC 5321 section 4.5.5). Anything else bounces
   here.
2. Choose a relay (transport): the first in order of preference that is usable (health). Without one the message comes
   back unsent, with the seconds until a relay may be usable again.
3. Reserve the rate (rate), per relay and destination domain. A domain that waits for its rate delays no other.
4. Queue the message (queue). A destination domain has a bounded number of connections (RFC 5321 section 4.5.4.1), so
   that no message waits behind a slow destination.
5. Have the message claimed when a connection is about to send it (look_ahead): one claim a connection ahead, more only
   where connections are faster. A message whose claim is refused comes back unsent.
6. Open a connection (connect): TCP, greeting, EHLO or else HELO (RFC 5321 sections 3.1 and 3.2), STARTTLS (RFC 3207
   section 4) or implicit TLS (RFC 8314 section 3.3), AUTH (RFC 4954 section 4). TLS and AUTH that the settings demand
   are never skipped.
7. Prepare the message (content, envelope): refuse a bare CR or LF (RFC 5321 section 2.3.8), stuff leading dots (section
   4.5.2), and add SIZE (RFC 1870 section 6), BODY=8BITMIME (RFC 6152 section 3), SMTPUTF8 (RFC 6531 section 3.4), RET,
   ENVID and NOTIFY (RFC 3461 section 4) where the relay offers them. A message that this relay can never take bounces.
8. Drive the transaction (connection, steps): MAIL, RCPT, DATA, body, end of data (RFC 5321 section 3.3), each with its
   own timeout (section 4.5.3.2). With PIPELINING the three commands are one group, and the end of data shares a group
   with the next three (RFC 2920 section 3.1). The lease of the claim is checked before the envelope and before the end
   of data: when it is over, the connection is closed, and the message comes back unsent.
9. Read the replies (replies), strictly and within bounds (RFC 5321 sections 4.2 and 4.2.1). A connection whose replies
   are in doubt is aborted and never used again.
10. Classify each 4xx and 5xx reply (service.model.classifier): the first row that matches says whose fault it is, and
    what follows for the message and the relay.
11. Apply the effect on the relay (pool, health): a new connection, a cooldown, a longer one for a fault that only an
    operator can fix, or an open circuit breaker. Queued messages then go to the next relay.
12. Resolve the future of the message with its result. A 250 reply to the end of data makes the relay responsible for it
    (RFC 5321 section 6.1). A connection lost before the end of data is safe to retry; one lost between the end of data
    and its reply is ambiguous (RFC 1047), and the caller decides.
13. Close idle, old and used-up connections with QUIT (RFC 5321 section 4.1.1.10).
"""

from service.adapters.smtp.relay import Cooldowns, Relay, Timeouts
from service.adapters.smtp.transport import SmtpTransport

__all__ = [
    "Cooldowns",
    "Relay",
    "SmtpTransport",
    "Timeouts",
]
