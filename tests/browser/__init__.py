"""The inbox in a browser: clients/inbox, as the API serves it."""
