// A phone without a screen on the official JavaScript client; the lines it reads and writes are in ../README.md.
// The first argument names the package to use, so that old and new releases run the same program.
import { createInterface } from "node:readline";

const { io } = await import(process.argv[2] ?? "socket.io-client");
const sockets = new Map();

const report = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);

function open({ socket: name, url, auth, transports }) {
  const socket = io(url, { forceNew: true, transports, auth, reconnectionAttempts: 5 }); // as the app
  const say = (kind, more) => report({ socket: name, kind, ...more });
  const via = () => socket.io.engine.transport.name;

  // The manager makes a new engine for every connection, so the watch for its upgrade is renewed as often.
  socket.io.on("open", () => socket.io.engine.once("upgrade", () => say("upgraded")));
  socket.io.on("reconnect_failed", () => say("gave up"));
  socket.on("connect", () => say("connected", { via: via() }));
  socket.on("disconnect", (reason) => say("disconnected", { reason }));
  socket.on("connect_error", (error) => {
    // A CONNECT_ERROR packet has no type; trouble on the way to the server is a TransportError.
    if (error.type) say("unreachable", { message: error.message });
    else if (error.message === "timeout") say("unreachable", { message: "timeout" });
    else say("refused", { message: error.message, ...(error.data === undefined ? {} : { data: error.data }) });
  });
  socket.onAny((event, ...args) => say("event", { event, args, via: via() }));
  sockets.set(name, socket);
}

function emit({ socket: name, event, args, ack }) {
  const socket = sockets.get(name);
  if (ack === undefined) socket.emit(event, ...args);
  else socket.emit(event, ...args, (...answer) => report({ socket: name, kind: "ack", ack, args: answer }));
}

function close({ socket: name }) {
  sockets.get(name).disconnect();
  sockets.delete(name);
}

const commands = { open, emit, close };

createInterface({ input: process.stdin })
  .on("line", (line) => {
    const command = JSON.parse(line);
    commands[command.do](command);
  })
  .on("close", () => process.exit(0));
