"""Rules of the repository, kept by tests."""
