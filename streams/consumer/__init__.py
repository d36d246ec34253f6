"""The loss-free batch consumer."""
