"""Blocks of mail: suppressions and unsubscribes."""
