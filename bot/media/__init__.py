"""Images: fetching, validation, re-encoding, comparison, charts."""
