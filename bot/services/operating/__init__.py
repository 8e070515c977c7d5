"""For whoever runs the bot: the HTTP page that says whether it works, and notices of what needs them."""
