"""Sessions over real sockets: WebSocket by picows, HTTP long polling by aiohttp, on one port.

`listener` opens the port, `engine` answers the Engine.IO route, `handover` gives a WebSocket to picows,
`session` is one client, `server` puts Socket.IO namespaces on top.
"""
