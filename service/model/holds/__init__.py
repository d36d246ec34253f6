"""What holds mail: local time, and digests."""
