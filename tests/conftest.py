"""What every test may ask for. Each suite's own fixtures stand beside it."""

from __future__ import annotations

pytest_plugins = ("tests.conftest_images", "tests.conftest_store", "tests.street")
