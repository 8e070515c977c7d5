"""The database: tables, the engines that run transactions on them, and one module of operations per subject."""
