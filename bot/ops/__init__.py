"""What the operator runs beside the bot: doctor, invite, demo, translations, settings."""
