"""Import of recipients from a file: read row by row, check each row, write in batches, save a checkpoint per batch."""
