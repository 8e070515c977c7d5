"""What the cogs share: custom ids and the router of presses, menus and forms."""
