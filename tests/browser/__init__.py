"""The browser phone in a real Chromium against a really started server."""
