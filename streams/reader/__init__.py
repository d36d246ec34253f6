"""Reading topics outside a consumer group: follow, merge, fetch single records."""
