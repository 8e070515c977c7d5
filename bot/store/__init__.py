"""What must outlive a crash: tables, the engine that runs them, and one module of operations per subject."""
