"""Email deliveries to SMTP: recheck, claim, send, settle the result."""
