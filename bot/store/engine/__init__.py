"""The databases: opened, brought up to date, and written to in transactions."""
