"""Rules for prompts: words and patterns, and what they say of a prompt."""
