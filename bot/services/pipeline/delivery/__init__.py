"""From a finished job to its message: fetch the images, fit them, and show what can be shown."""
