"""The image APIs: how they are asked, and what may be believed of their answers."""
