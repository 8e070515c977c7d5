"""Bytes of images, and the addresses that they are fetched from."""
