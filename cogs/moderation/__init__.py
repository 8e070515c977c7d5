"""/imagemod and the buttons of cases: what moderators see and decide. Rights are checked on every command and every press."""
