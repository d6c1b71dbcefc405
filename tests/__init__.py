"""The tests; those that need more than Python have a mark each (see pyproject.toml)."""
