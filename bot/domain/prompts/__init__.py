"""Prompt rules: lists of words and patterns, and the judging of prompts by them."""
