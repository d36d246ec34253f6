"""The tables in Redis: recipients, contacts, groups, suppressions, unsubscribes, credentials; and row locks."""
