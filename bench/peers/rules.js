// A Node server with the same rules as ours, as a good team would write it: typed checks, roles, busy and glare,
// several devices, deadlines, budgets, timelines, remembered commands, tokens verified at the backend. It holds its
// calls in memory and has no resume of what was missed, no push, no HTTP words of the backend.
"use strict";
const { createServer } = require("node:http");
const { Server } = require("socket.io");

const { EventBudget } = require("./rules/budget");
const { Entrance } = require("./rules/entrance");
const { Events } = require("./rules/events");
const { pages } = require("./rules/monitoring");
const settings = require("./rules/settings");
const { Switchboard } = require("./rules/switchboard");
const { verifierOf } = require("./rules/verifier");

const io = new Server({
  transports: ["websocket", "polling"],
  perMessageDeflate: false,
  httpCompression: false,
  serveClient: false,
  maxHttpBufferSize: 65_536,
  connectTimeout: 10_000,
});
const board = new Switchboard(settings);
const events = new Events(board, new EventBudget(settings.ratePerMinute));
const entrance = new Entrance(io, board, events, verifierOf(settings.laravel), settings);

entrance.open();
setInterval(() => {
  board.sweep();
  entrance.leaving.sweep(performance.now());
}, settings.sweepEvery);

const http = createServer(pages({ board, events, entrance }));
io.attach(http);
// Nothing here needs the request that opened a session; Socket.IO keeps it otherwise, for as long as the session lives.
io.engine.on("connection", (session) => {
  session.request = null;
});
http.listen({ port: settings.port, host: settings.host, backlog: 4096 });
