"""Real foreign Socket.IO clients against a really started server; README.md says how it is cut."""
