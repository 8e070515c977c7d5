"""Credits: gifts, sponsorships, and the usage of a guild."""
