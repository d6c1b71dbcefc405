"""OnlyCare call signalling: a Socket.IO server that makes phones ring."""

__version__ = "1.0.0"
