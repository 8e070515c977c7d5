"""The street the house stands on when nobody is home: a local image API and a local Discord, both on loopback."""
