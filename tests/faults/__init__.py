"""The fault harness: a real server, many phones, one fault at one phase of calls, and what everybody was told."""
