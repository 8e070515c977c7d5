"""What is kept of a member: listed, exported, erased."""
