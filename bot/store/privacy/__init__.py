"""Personal data: inventory, export, erasure."""
