"""One file per outside system: each class implements a port of `ports.py`."""
