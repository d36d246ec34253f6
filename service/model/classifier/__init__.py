"""The classifier of refusals and returned messages: whose fault is it, how sure is that, and what follows.

1. `text` prepares a text: bounded, in one spelling, without addresses and links, and reads the codes that it quotes.
2. `table.toml` has the rows, which `table` compiles: phase, code, enhanced code and words → fault and consequences.
3. `classify` decides a relay's reply, `classify_report` a message that came back, by the same rows.
4. `diagnosis` is the result.

Rules that bind: an `Action` outranks the class of a status (RFC 3464 section 2.3.3). Words about the rate, reputation,
our sender or our account outrank the codes of a mailbox; words about a mailbox outrank the codes of a policy. A mailbox
is suppressed only by evidence about itself or its domain, never by the class of a code alone. A fault of ours never
counts against a recipient, and one recipient's reply never moves a relay.
"""

from service.model.classifier.classify import classify, classify_report, rule_for
from service.model.classifier.diagnosis import Certainty, Diagnosis, Fault, RelayEffect, SmtpPhase
from service.model.classifier.table import TABLE, Rule

__all__ = [
    "TABLE",
    "Certainty",
    "Diagnosis",
    "Fault",
    "RelayEffect",
    "Rule",
    "SmtpPhase",
    "classify",
    "classify_report",
    "rule_for",
]
