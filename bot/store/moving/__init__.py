"""Moving all rows from one database to another: the same values on both engines, in batches, with checksums."""
