"""An image API that the bot's package does not know, with a queue and an event stream of its own: the client, and a local server."""
