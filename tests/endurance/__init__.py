"""Does the server need more memory the longer it runs? Slow, so a lane of its own: `make test-endurance`."""
