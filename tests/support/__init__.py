"""Servers, fixtures, oracles and sample data that tests share."""
