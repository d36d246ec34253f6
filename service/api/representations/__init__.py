"""What requests and responses look like (RFC 9110, section 3.2): strict JSON bodies, models, pages and JSON:API."""
