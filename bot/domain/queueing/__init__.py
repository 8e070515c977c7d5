"""How long an order has to wait."""
