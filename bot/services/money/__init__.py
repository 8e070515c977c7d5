"""Prices, balances, gifts and sponsorships."""
