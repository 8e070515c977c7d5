"""The ledger, payments, transfers and sponsorships."""
