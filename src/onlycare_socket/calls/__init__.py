"""The rule book of a call: pure decisions over frozen records, no I/O of any kind."""
