"""A server's settings as one document: read, checked, changed, compared."""
