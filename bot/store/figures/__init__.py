"""Figures that are read for people: how much waits, and since when."""
