"""The benchmark: that it keeps working, never how fast anything is."""
