"""`onlycare-socket compare`: what changes for phones and the backend when one server takes the place of another.

- `stories/`   what is played, as data; each step says what the contract promises of it
- `stage.py`   plays a story on one server with virtual phones and takes down what happened, without ids and times
- `verdicts.py` lays two takes beside each other and tells intended differences from surprises
- `report.py`  shows them
"""
