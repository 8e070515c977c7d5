"""Shared foundations that import nothing from the other packages: settings, errors, clock, translations, logs, loops."""
