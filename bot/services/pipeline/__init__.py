"""The way of one image: taken in, dispatched, watched, settled, delivered."""
