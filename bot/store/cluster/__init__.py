"""What the processes of one installation know of each other and do together."""
