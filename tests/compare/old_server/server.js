// A server with the faults of the old one, as far as contract section 7 names them and a phone can see them. For tests.
//
// A token reads dev:<user id>, as of a development server. LIE makes it a server that breaks a promise on top.
const { createServer } = require("node:http");
const { join } = require("node:path");
const { Server } = require("node:module").createRequire(join(__dirname, "../../../bench/peers/server.js"))("socket.io");

const { PORT, LARAVEL_API_SECRET, RING_TIMEOUT = "30", LARAVEL_DELAY = "0", LIE = "" } = process.env;
const sockets = new Map(); // user id -> the one socket that counts (row 8)
const calls = new Map(); // call id as it was written (row 4) -> call

const now = () => Date.now();
const laravel = () => new Promise((done) => setTimeout(done, Number(LARAVEL_DELAY)));
const other = (call, user) => (call.caller === user ? call.receiver : call.caller);
const otherForm = (id) => (id.startsWith("CALL_") ? id.slice(5) : `CALL_${id}`);

function tell(user, event, fields) {
  const socket = sockets.get(user);
  if (!socket || LIE === `drop ${event}`) return false;
  socket.emit(event, LIE === `reword ${event}` ? { ...fields, reason: "Other words" } : fields);
  if (LIE === `repeat ${event}`) socket.emit(event, fields);
  return true;
}

// ---------------------------------------------------------------- who is let in

function admit(socket, next) {
  const { token, userId } = socket.handshake.auth;
  if (!token || !userId) return next(new Error("Authentication required"));
  if (typeof token !== "string") return next(new Error("Authentication failed"));
  const subject = token.startsWith("dev:") ? token.split(":")[1] : null;
  if (subject !== userId) return next(new Error("Invalid token")); // no other form of an id (row 5)
  socket.data.user = userId;
  next();
}

function arrive(socket) {
  const me = socket.data.user;
  sockets.set(me, socket);
  socket.broadcast.emit("user:online", { userId: me, timestamp: now() });
  socket.on("disconnect", () => depart(socket, me));
  for (const [event, handle] of Object.entries(commands)) {
    socket.on(event, (payload, ack) => handle(me, payload, ack, socket));
  }
}

function depart(socket, me) {
  sockets.delete(me); // whichever socket it was (row 8)
  for (const [id, call] of calls) {
    if (call.caller !== me && call.receiver !== me) continue;
    calls.delete(id); // a blip ends the call (row 9)
    tell(other(call, me), "call:ended", { callId: id, reason: "User disconnected", timestamp: now() });
  }
  socket.broadcast.emit("user:offline", { userId: me, timestamp: now() });
}

// ---------------------------------------------------------------- what phones say

// Asynchronous and without a look whether there is an ack: a rejection that nobody handles ends the process (row 13).
async function initiate(me, payload, ack, socket) {
  try {
    const { receiverId, callId, callType, channelName, agoraToken } = payload;
    if (!sockets.has(receiverId)) {
      return ack({ success: false, error: "User offline - FCM notification sent", useFcmFallback: true }); // row 1
    }
    const parties = [...calls.values()].filter((call) => call.ringing).flatMap((call) => [call.caller, call.receiver]);
    if (parties.includes(receiverId)) { // who talks is not busy (row 7)
      ack({ success: false, error: "User is busy", busy: true });
      return void socket.emit("call:busy", { callId });
    }
    calls.set(callId, { caller: me, receiver: receiverId, ringing: true });
    const callerName = `User ${me}`;
    tell(receiverId, "call:incoming", {
      callId, callerId: me, callerName, callType, channelName, agoraToken, timestamp: now(),
    });
    setTimeout(ringIsOver, Number(RING_TIMEOUT) * 1000, callId, receiverId);
    ack({ success: true, callId, message: "Call initiated successfully" });
  } catch {
    ack({ success: false, error: "Server error" });
  }
}

function ringIsOver(callId, receiver) {
  const call = calls.get(callId);
  if (!call || !call.ringing) return;
  calls.delete(callId);
  tell(call.caller, "call:timeout", { callId, reason: "No answer" });
  tell(receiver, "call:cancelled", { callId, reason: "Timeout" });
}

function accept(me, payload) {
  const call = calls.get(payload.callId);
  if (!call) return; // of a call to somebody offline, or under another form of its id
  call.ringing = false; // whoever says so (row 12)
  tell(call.caller, "call:accepted", { callId: payload.callId, timestamp: now() });
}

async function reject(me, payload) {
  const { callId, reason = "User declined" } = payload;
  await laravel(); // row 18
  const call = calls.get(callId) || calls.get(otherForm(callId));
  if (!call) return; // also when it came before the initiate (row 3)
  calls.delete(callId);
  tell(call.caller, "call:rejected", { callId, reason, timestamp: now() });
  tell(me, "call:reject:confirmed", { callId });
}

async function cancel(me, payload) {
  const { callId, reason = "Caller ended call" } = payload;
  const call = calls.get(callId) || calls.get(otherForm(callId));
  if (!call || call.caller !== me) return;
  await laravel();
  tell(call.receiver, "call:cancelled", { callId, reason, timestamp: now() });
  await laravel();
  calls.delete(callId); // an accept meanwhile brings it back (row 15)
}

function end(me, payload) {
  const { callId } = payload;
  const call = calls.get(callId);
  if (!call) return;
  calls.delete(callId);
  const reason = "Remote user ended call";
  tell(other(call, me), "call:ended", { callId, endedBy: me, reason, timestamp: now() });
}

function askVideo(me, { callId, receiverId, senderId }, ack) {
  const told = tell(receiverId, "call:upgrade:request", { callId, senderId, timestamp: now() });
  ack({ success: told, message: told ? "Request sent to receiver" : "Receiver is offline" });
}

function answerVideo(me, { callId, receiverId, accepted, reason }) {
  tell(receiverId, "call:upgrade:response", { callId, accepted, reason, timestamp: now() });
}

function careful(handle) {
  return async (...given) => {
    try {
      await handle(...given);
    } catch (error) {
      console.log(`${handle.name}: ${error.message}`);
    }
  };
}

const commands = {
  "call:initiate": initiate,
  "call:accept": careful(accept),
  "call:reject": careful(reject),
  "call:cancel": careful(cancel),
  "call:end": careful(end),
  "call:upgrade": careful(askVideo),
  "call:switchToVideo": careful(askVideo),
  "call:upgrade:response": careful(answerVideo),
};

// ---------------------------------------------------------------- what Laravel asks

const questions = {
  "GET /health": () => ({
    status: "OK", connectedUsers: sockets.size, activeCalls: calls.size, timestamp: now(),
  }),
  "GET /api/connected-users": () => ({ count: sockets.size, users: [...sockets.keys()] }),
  "POST /api/emit/call-cancelled": ({ receiverId, callId, reason = "Caller ended call" }) =>
    handedOver(tell(receiverId, "call:cancelled", { callId, reason, timestamp: now() }), "User not connected"),
  "POST /api/emit/call-accepted": ({ callerId, callId, receiverId }) =>
    handedOver(tell(callerId, "call:accepted", { callId, receiverId, timestamp: now() }), "Caller not connected"),
};

function handedOver(emitted, reason) {
  return emitted ? { success: true, emitted } : { success: true, emitted, reason };
}

function online(userId) {
  return { userId, isOnline: sockets.has(userId), socketId: sockets.get(userId)?.id ?? null };
}

async function answer(request, response) {
  let body = "";
  for await (const piece of request) body += piece;
  const asked = decodeURIComponent(new URL(request.url, "http://localhost").pathname);
  const user = /^\/api\/users\/([^/]+)\/online$/.exec(asked)?.[1];
  const question = user ? () => online(user) : questions[`${request.method} ${asked}`];
  if (!question) return send(response, 404, `<pre>Cannot ${request.method} ${asked}</pre>`, "text/html");
  if (request.method === "POST" && request.headers["x-internal-secret"] !== LARAVEL_API_SECRET) {
    return send(response, 401, JSON.stringify({ error: "Unauthorized" }));
  }
  send(response, 200, JSON.stringify(question(JSON.parse(body || "{}"))));
}

function send(response, status, body, kind = "application/json") {
  response.writeHead(status, { "Content-Type": `${kind}; charset=utf-8` }).end(body);
}

const http = createServer(answer);
new Server(http).use(admit).on("connection", arrive);
http.listen(Number(PORT), "127.0.0.1");
