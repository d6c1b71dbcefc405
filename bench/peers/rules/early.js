"use strict";
// Commands that overtook their initiate, since a push is faster than a socket: kept for a minute, twenty a user.

const { Expiry } = require("./expiry");

const REMEMBERED = 60_000;
const MOST = 20;

class EarlyCommands {
  constructor() {
    this.ofCall = new Map();
    this.ofUser = new Map();
    this.expiry = new Expiry(REMEMBERED, (early) => this.drop(early));
  }

  /** What is remembered of a call, oldest first. */
  of(call) {
    return this.ofCall.get(call) ?? [];
  }

  keep(call, user, kind, device, callId, reason) {
    const mine = this.ofUser.get(user) ?? [];
    const before = mine.find((early) => early.call === call && early.kind === kind);
    if (before !== undefined) {
      this.expiry.start(before);
      return;
    }
    if (mine.length >= MOST) this.drop(mine[0]);
    const early = { call, user, kind, device, callId, reason };
    append(this.ofCall, call, early);
    append(this.ofUser, user, early);
    this.expiry.start(early);
  }

  drop(early) {
    this.expiry.stop(early);
    discard(this.ofCall, early.call, early);
    discard(this.ofUser, early.user, early);
  }
}

function append(index, key, early) {
  const kept = index.get(key);
  if (kept === undefined) index.set(key, [early]);
  else kept.push(early);
}

function discard(index, key, early) {
  const left = (index.get(key) ?? []).filter((kept) => kept !== early);
  if (left.length > 0) index.set(key, left);
  else index.delete(key);
}

module.exports = { EarlyCommands };
