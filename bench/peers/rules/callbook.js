"use strict";
// The calls in memory: live ones, and the newest that ended. Who is busy is read from the live calls, never kept apart.

const KEEP_ENDED = 24 * 3_600_000;
const MAX_STEPS = 200;
const FIRST_STEPS = 150;
const RECENT = 20;

class Party {
  constructor(user, shown, callId, device) {
    this.user = user;
    this.shown = shown;
    /** The form of the call id that this party writes, and is answered in. */
    this.callId = callId;
    /** The device that dialled or that won; null while nobody answered. */
    this.device = device;
  }
}

class Call {
  constructor(id, caller, receiver, payload, now) {
    this.id = id;
    this.state = "ringing";
    this.caller = caller;
    this.receiver = receiver;
    this.callerName = "";
    this.callType = payload.callType;
    this.channelName = payload.channelName;
    this.agoraToken = payload.agoraToken;
    this.created = now;
    this.accepted = 0;
    this.ended = 0;
    this.expiresAt = 0;
    this.code = "";
    this.reason = "";
    this.endedBy = "";
    this.refused = false;
    this.winnerCallId = "";
    this.upgradeBy = "";
    /** Devices of the receiver that ring. */
    this.ringing = [];
    /** Devices of the receiver that were told to stop. */
    this.stopped = [];
    /** Those that really show it. */
    this.showing = [];
    this.steps = [];
  }

  role(user) {
    if (user === this.caller.user) return "caller";
    return user === this.receiver.user ? "receiver" : null;
  }

  step(at, what, by, device, detail) {
    if (this.steps === null) return;
    if (this.steps.length >= MAX_STEPS) this.steps.splice(FIRST_STEPS, 1);
    this.steps.push({ at, what, by, device, detail });
  }
}

/** So many of the newest: pushing one more returns the one that falls out, else null. */
class Newest {
  constructor(most) {
    this.slots = new Array(most).fill(null);
    this.next = 0;
  }

  push(item) {
    const fallen = this.slots[this.next];
    this.slots[this.next] = item;
    this.next = this.next + 1 === this.slots.length ? 0 : this.next + 1;
    return fallen;
  }
}

/** What is kept of one user: his live call, and his newest calls. */
class Line {
  constructor() {
    this.live = null;
    this.recent = [];
  }
}

class CallBook {
  constructor(endedCalls, endedTimelines) {
    this.calls = new Map();
    this.lines = new Map();
    this.ended = new Newest(endedCalls);
    this.timelines = new Newest(endedTimelines);
    this.liveCount = 0;
  }

  find(id, now) {
    const call = this.calls.get(id);
    if (call === undefined || call.state !== "ended" || now - call.ended < KEEP_ENDED) return call;
    this.forget(call);
    return undefined;
  }

  live(user) {
    const line = this.lines.get(user);
    return line === undefined ? null : line.live;
  }

  /** Keeps a new call; a refused one takes nobody's line. */
  add(call, live) {
    this.calls.set(call.id, call);
    this.liveCount++;
    this.register(call.caller.user, call, live);
    this.register(call.receiver.user, call, live);
  }

  register(user, call, live) {
    let line = this.lines.get(user);
    if (line === undefined) this.lines.set(user, (line = new Line()));
    if (live) line.live = call;
    if (line.recent.length === RECENT) line.recent.shift();
    line.recent.push(call);
  }

  /** Ends a call for good. */
  end(call, now, code, reason, by) {
    call.step(now, "ended", by, "", code);
    call.state = "ended";
    call.ended = now;
    call.code = code;
    call.reason = reason;
    call.endedBy = by;
    call.agoraToken = "";
    call.upgradeBy = "";
    this.liveCount--;
    this.release(call.caller.user, call);
    this.release(call.receiver.user, call);
    const untold = this.timelines.push(call);
    if (untold !== null) untold.steps = null;
    const fallen = this.ended.push(call);
    if (fallen !== null) this.forget(fallen);
  }

  release(user, call) {
    const line = this.lines.get(user);
    if (line === undefined || line.live !== call) return;
    line.live = null;
    if (line.recent.length === 0) this.lines.delete(user);
  }

  forget(call) {
    if (this.calls.get(call.id) === call) this.calls.delete(call.id);
    call.steps = null;
    for (const user of [call.caller.user, call.receiver.user]) {
      const line = this.lines.get(user);
      if (line === undefined) continue;
      const index = line.recent.indexOf(call);
      if (index >= 0) line.recent.splice(index, 1);
      if (line.recent.length === 0 && line.live === null) this.lines.delete(user);
    }
  }

  /** A user's calls that are live or ended within a day, newest first. */
  of(user, now) {
    const recent = this.lines.get(user)?.recent ?? [];
    return recent.filter((call) => call.state !== "ended" || now - call.ended < KEEP_ENDED).reverse();
  }
}

module.exports = { Party, Call, CallBook };
