"""When to stop: rules replayed on recorded studies."""
