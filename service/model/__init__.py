"""The values that flow through Tocsin: events, deliveries, outcomes, rows of the tables. No I/O and no clock."""
