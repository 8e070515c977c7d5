"""Clients of the image APIs and of the moderations endpoint."""
