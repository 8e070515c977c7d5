"""Sizes and aspect ratios of images: which a request chooses, and which an edit keeps."""
