"""Credits: gifts, sponsorships, and what a server used."""
