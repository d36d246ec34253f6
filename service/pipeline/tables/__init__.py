"""Rows of recipients, contacts and groups, preferences included: validate, write to `tables.*`, store in Redis."""
