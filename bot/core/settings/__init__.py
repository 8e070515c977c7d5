"""The settings: their groups and types, and the sentences about wrong ones. `bot.core.config` reads them."""
