"""`onlycare-socket doctor`, run as people run it, against real servers that are well and that are not."""
