"""The models: their options, their prices, and the checking of a member's choices."""
