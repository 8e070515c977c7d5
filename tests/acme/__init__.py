"""An image API outside the bot's package, with its own queue and event stream: client and local server."""
