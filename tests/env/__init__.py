"""What tests of several packages share: the app and what it runs against, fakes, builders of values."""
