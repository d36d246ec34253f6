"""The mail catcher of the development stack: takes every mail, shows it, delivers none.

SMTP on one port, a web view and a subset of Mailpit's API on the other: a client of Mailpit works here.
"""

from service.dev.catcher.mail import CaughtMail
from service.dev.catcher.server import Catcher
from service.dev.catcher.store import MailStore

__all__ = ["Catcher", "CaughtMail", "MailStore"]
