// A bare Socket.IO relay with no rules at all: what a phone says reaches its peer. The hardest peer to beat.
const { createServer } = require("node:http");
const { Server } = require("socket.io");

const { PORT = 3977, HOST = "127.0.0.1", PRESENCE_SCOPE = "off" } = process.env;
const http = createServer();
const io = new Server(http, { transports: ["websocket", "polling"] });
const users = new Map();
const peers = new Map();

io.use((socket, next) => (socket.handshake.auth.userId ? next() : next(new Error("Authentication required"))));
io.on("connection", (socket) => {
  const me = String(socket.handshake.auth.userId);
  users.set(me, socket);
  if (PRESENCE_SCOPE === "all") socket.broadcast.emit("user:online", { userId: me, timestamp: Date.now() });
  socket.on("call:initiate", (call, ack) => {
    peers.set(call.callId, [me, call.receiverId]);
    if (ack) ack({ success: true, callId: call.callId });
    const receiver = users.get(call.receiverId);
    if (receiver) receiver.emit("call:incoming", { ...call, callerId: me, timestamp: Date.now() });
  });
  socket.on("call:accept", ({ callId }, ack) => {
    if (ack) ack({ success: true, callId });
    const [caller] = peers.get(callId) || [];
    if (users.has(caller)) users.get(caller).emit("call:accepted", { callId, receiverId: me, timestamp: Date.now() });
  });
  socket.on("call:reject", ({ callId, reason }, ack) => {
    if (ack) ack({ success: true, callId });
    const [caller] = peers.get(callId) || [];
    peers.delete(callId);
    if (users.has(caller)) users.get(caller).emit("call:rejected", { callId, reason, timestamp: Date.now() });
  });
  socket.on("call:end", ({ callId }, ack) => {
    if (ack) ack({ success: true, callId });
    const pair = peers.get(callId) || [];
    peers.delete(callId);
    const other = users.get(pair[0] === me ? pair[1] : pair[0]);
    if (other) other.emit("call:ended", { callId, timestamp: Date.now() });
  });
  socket.on("disconnect", () => users.get(me) === socket && users.delete(me));
});
http.listen(Number(PORT), HOST);
