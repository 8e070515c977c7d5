"""Cases, and what moderators may know of members."""
