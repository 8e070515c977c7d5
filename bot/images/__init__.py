"""The image APIs: how they are asked, what they offer, and what may be believed of their answers."""
