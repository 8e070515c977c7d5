"""/imagemod and the buttons of cases. Permissions are checked on every command and every button."""
