"""What tests share: servers, fixtures, oracles, sample data."""
