"""The mail catcher of the development stack: it accepts every message, shows it and delivers none.

SMTP is on one port, a web view and a subset of Mailpit's API on the other: a client of Mailpit works here.
"""

from service.dev.catcher.mail import CaughtMail
from service.dev.catcher.server import Catcher
from service.dev.catcher.store import MailStore

__all__ = ["Catcher", "CaughtMail", "MailStore"]
