"""What long-running work is made of: workers, executors, and how long a caller waits."""
