"""What everything else uses, and what knows nothing of the rest: settings, errors, time, language, logs, loops."""
