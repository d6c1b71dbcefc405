"""Engine.IO 4 and Socket.IO 5 as pure functions and small state machines.

Nothing here does I/O: the standard library and msgspec only, no clock, no random, no environment, no await,
no logging. Time is an argument; ids are made by the caller.
"""
