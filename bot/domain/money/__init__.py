"""Amounts, accounts, and who pays."""
