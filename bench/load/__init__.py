"""The load: many users in one process of its own, over plain Socket.IO, so that any server can be measured."""
