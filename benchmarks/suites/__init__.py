"""The suites of tasks, one module for each source."""
