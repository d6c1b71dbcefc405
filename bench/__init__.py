"""The benchmark: this server beside what one would use instead, on one machine, in one run.

    python -m bench run            everything, about 40 minutes; prints how long it will take
    python -m bench run --quick    a thinner version of every scenario, under 90 seconds
    python -m bench report FILE    the tables of an earlier run

Every contestant is a process of its own on the first core, the load another one on the other cores. Rounds go through
the contestants forwards and backwards in turn, so that what else the machine does falls on all alike; a ratio is taken
within a round, and what is shown is the median of the rounds with its range. docs/performance.md has the method.
"""
