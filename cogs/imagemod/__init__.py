"""/imagemod: what moderators see and decide. Whoever may is checked on every command and every press."""
