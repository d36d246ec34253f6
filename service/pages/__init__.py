"""The frame of Tocsin's small HTML pages, in the look of a brand."""
