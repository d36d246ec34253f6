"""Recipient, contact, group and preference rows: validate, write to `tables.*`, apply to Redis."""
