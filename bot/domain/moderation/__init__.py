"""Rules about members and results: flags, strikes, and scores of a moderations endpoint."""
