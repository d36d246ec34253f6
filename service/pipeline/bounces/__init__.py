"""Returned mail: read the delivery status notification and record what it says."""
