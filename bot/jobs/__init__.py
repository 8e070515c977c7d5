"""The story of a picture: ordered, dispatched, watched, settled, delivered."""
