"use strict";
// From the CONNECT of a phone to a connection that everybody else knows of, and out again.

const { createHash } = require("node:crypto");
const { Expiry } = require("./expiry");
const { MAX_ID, canonicalUser } = require("./ids");
const { INVALID } = require("./verifier");

const MAX_TOKEN = 4096;
const PRINTABLE = /^[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?$/;
const absent = (value) => value === undefined || value === null || value === "";

function refusal(message, code) {
  const error = new Error(message);
  error.data = { code };
  return error;
}

class Entrance {
  constructor(io, board, events, verifier, settings) {
    this.io = io;
    this.board = board;
    this.events = events;
    this.verifier = verifier;
    this.tellsAll = settings.presence === "all";
    this.leaving = new Expiry(settings.offlineAfter, (user) => this.tellOffline(user));
    this.gone = new Map();
    this.outcomes = { accepted: 0, refused: 0, unavailable: 0 };
  }

  open() {
    const take = this.events.take.bind(this.events);
    const onAny = function (name, ...args) {
      if (this.connected) take(this.data, name, args);
    };
    const { board } = this;
    const entrance = this;
    const onDisconnect = function () {
      entrance.left(this.data);
    };
    this.io.use((socket, next) => this.check(socket, next));
    this.io.on("connection", (socket) => {
      const { identity, device } = socket.data;
      const connection = board.directory.add(identity, device, socket);
      socket.data = connection;
      socket.onAny(onAny);
      socket.on("disconnect", onDisconnect);
      this.outcomes.accepted++;
      if (connection.user.connections.length === 1) this.came(connection);
      board.arrived(connection);
    });
  }

  /** Verifies a CONNECT. The Android client gives up for good on a refusal, so a silent backend is never one. */
  check(socket, next) {
    const { auth } = socket.handshake;
    const problem = this.problem(auth);
    if (problem !== null) return this.refuse(next, problem);
    const verdict = this.verifier.verify(auth.token);
    if (verdict instanceof Promise) verdict.then((late) => this.decide(socket, auth, late, next));
    else this.decide(socket, auth, verdict, next);
  }

  problem(auth) {
    const { token, userId } = auth;
    if (absent(token) || absent(userId)) return refusal("Authentication required", "auth_required");
    const named = typeof userId === "string" || Number.isInteger(userId);
    if (typeof token !== "string" || !named || token.length > MAX_TOKEN || String(userId).length > MAX_ID) {
      return refusal("Authentication failed", "auth_failed");
    }
    if (typeof auth.deviceId === "string" && auth.deviceId.length > MAX_ID) {
      return refusal("Authentication failed", "auth_failed");
    }
    return PRINTABLE.test(token) ? null : refusal("Invalid token", "invalid_token");
  }

  decide(socket, auth, verdict, next) {
    if (verdict === null) {
      this.outcomes.unavailable++;
      socket.conn.close();
    } else if (verdict === INVALID || verdict.user !== canonicalUser(String(auth.userId))) {
      this.refuse(next, refusal("Invalid token", "invalid_token"));
    } else {
      socket.data = { identity: verdict, device: deviceOf(auth) };
      next();
    }
  }

  refuse(next, error) {
    this.outcomes.refused++;
    next(error);
  }

  left(connection) {
    const { user } = connection;
    if (!this.board.directory.remove(connection)) return;
    this.board.left(user);
    if (!this.tellsAll) return;
    this.gone.set(user.id, user);
    this.leaving.start(user.id);
  }

  came({ user, socket }) {
    if (!this.tellsAll) return;
    const back = this.leaving.stop(user.id);
    this.gone.delete(user.id);
    if (!back) socket.broadcast.emit("user:online", { userId: user.shown, timestamp: Date.now() });
  }

  tellOffline(id) {
    const { shown } = this.gone.get(id);
    this.gone.delete(id);
    this.io.emit("user:offline", { userId: shown, timestamp: Date.now() });
  }
}

/** Names a device: by its own id, else by the token that all its sockets share. */
function deviceOf({ token, deviceId }) {
  if (typeof deviceId === "string" && deviceId) return `d:${deviceId}`;
  return `t:${createHash("sha256").update(token).digest("hex").slice(0, 16)}`;
}

module.exports = { Entrance };
