"""What every test may ask for. Each suite's own fixtures stand beside it."""

from __future__ import annotations

pytest_plugins = ("tests.env.image_api", "tests.env.databases", "tests.env.providers", "tests.env.app")
