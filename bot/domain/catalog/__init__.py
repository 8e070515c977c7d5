"""What models take, make and cost."""
