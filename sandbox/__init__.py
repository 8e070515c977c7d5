"""What the bot runs against in tests and in the demo: a local image API and a local Discord, both on loopback."""
