"""Parameters whose choices may grow: open categories, texts, and code."""
