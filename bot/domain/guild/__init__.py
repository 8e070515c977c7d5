"""A guild's settings as one document: parsing, validation, changes, comparison."""
