"""How Easel speaks: every text a member reads about a job, a model or credits. Pure: values in, text out."""

from cogs.look import about, account, basics, conduct, details, history, jobs, originals, presets, privacy, styles

__all__ = ["about", "account", "basics", "conduct", "details", "history", "jobs", "originals", "presets", "privacy", "styles"]
