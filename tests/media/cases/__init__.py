"""Image files written byte by byte, each with what a browser shows of it: `tests.media.cases.everything.SAMPLES` and `REFUSED`."""
