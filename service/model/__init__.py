"""What flows through Tocsin: plain values, no I/O and no clock."""
