"""Pass choice: candidates, conflicts, contacts, and an independent check."""
