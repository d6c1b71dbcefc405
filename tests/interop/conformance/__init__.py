"""Both wire protocols, case by case, against a really started `examples/protocol_app.py`."""
