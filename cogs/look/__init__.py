"""How Easel speaks: every text a member reads about a job, a model or credits. Pure: values in, text out."""

from cogs.look import account, basics, details, jobs

__all__ = ["account", "basics", "details", "jobs"]
