"""The import of the recipients table: read a file row by row, check each, write in batches, remember the place."""
