"""Stand-ins for the demo and the tests: local image APIs and a local Discord, all on loopback."""
