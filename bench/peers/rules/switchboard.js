"use strict";
// Everything that is known of calls and users, and what the server notices by itself: deadlines, comings, goings.

const { CallBook } = require("./callbook");
const { dial } = require("./dialling");
const { Directory } = require("./directory");
const { EarlyCommands } = require("./early");
const { Expiry } = require("./expiry");
const { canonicalCall } = require("./ids");
const { TABLE } = require("./rulebook");
const { endedEvent, ring, stopRing, tellDialler, tellParty } = require("./telling");

const OVERTAKING = new Set(["accept", "reject", "cancel", "end"]);

class Switchboard {
  constructor(settings) {
    this.settings = settings;
    this.directory = new Directory();
    this.book = new CallBook(settings.endedCalls, settings.endedTimelines);
    this.early = new EarlyCommands();
    this.rings = new Expiry(settings.ringTimeout, (call) => this.noAnswer(call));
    this.callerGraces = new Expiry(settings.callerGrace, (call) => this.callerLost(call));
    this.callGraces = new Expiry(settings.callGrace, (call) => this.talkLost(call));
    this.longest = new Expiry(settings.maxDuration, (call) => this.tooLong(call));
    this.upgrades = new Expiry(settings.upgradeTimeout, (call) => this.upgradeUnanswered(call));
  }

  // Commands --------------------------------------------------------------------------------------------------------

  dial(command, within) {
    dial(this, command, within);
  }

  command(command) {
    const { kind, me, payload } = command;
    const id = canonicalCall(payload.callId);
    const call = this.book.find(id, command.now);
    const role = call === undefined ? null : call.role(me.user.id);
    if (role === null) {
      if (call === undefined && OVERTAKING.has(kind)) {
        this.early.keep(id, me.user.id, kind, me.device, payload.callId, command.reason);
      }
      return command.refuseUnknown();
    }
    const party = call[role];
    party.callId = payload.callId;
    party.shown = me.user.shown;
    const rule = TABLE[call.state][kind][role];
    call.step(command.now, kind, party.shown, me.device, rule === undefined ? "refused: forbidden" : "");
    if (rule === undefined) command.refuse("forbidden", call);
    else rule(this, call, command, role);
  }

  // What happens to a call ------------------------------------------------------------------------------------------

  answered(call, device, now) {
    call.state = "accepted";
    call.accepted = now;
    call.receiver.device = device;
    this.rings.stop(call);
    this.callerGraces.stop(call);
    this.longest.start(call);
  }

  end(call, now, code, reason, by) {
    if (call.state === "accepted") {
      this.longest.stop(call);
      this.callGraces.stop(call);
      this.upgrades.stop(call);
    } else {
      this.rings.stop(call);
      this.callerGraces.stop(call);
    }
    this.book.end(call, now, code, reason, by);
  }

  // Deadlines -------------------------------------------------------------------------------------------------------

  sweep() {
    const now = performance.now();
    const { early } = this;
    for (const due of [this.rings, this.callerGraces, this.callGraces, this.longest, this.upgrades, early.expiry]) {
      due.sweep(now);
    }
  }

  noAnswer(call) {
    const now = Date.now();
    const canPush = this.settings.laravel !== "";
    this.end(call, now, call.ringing.length > 0 || canPush ? "no_answer" : "unreachable", "", "");
    tellDialler(this, call, now);
    stopRing(this, call, now);
  }

  callerLost(call) {
    const now = Date.now();
    this.end(call, now, "connection_lost", "", "");
    stopRing(this, call, now);
  }

  talkLost(call) {
    const gone = !this.directory.get(call.caller.user) && !this.directory.get(call.receiver.user);
    if (gone) this.end(call, Date.now(), "connection_lost", "", "");
  }

  tooLong(call) {
    const now = Date.now();
    this.end(call, now, "max_duration", "", "");
    for (const party of [call.caller, call.receiver]) {
      tellParty(this, call, party, "call:ended", endedEvent(call, party, now));
    }
  }

  upgradeUnanswered(call) {
    const asker = call.upgradeBy === call.caller.user ? call.caller : call.receiver;
    call.upgradeBy = "";
    const event = { callId: asker.callId, accepted: false, timestamp: Date.now(), reason: "No answer" };
    tellParty(this, call, asker, "call:upgrade:response", event);
  }

  // Comings and goings ----------------------------------------------------------------------------------------------

  arrived(connection) {
    const { user, device } = connection;
    const call = this.book.live(user.id);
    if (call === null) return;
    this.callGraces.stop(call);
    if (call.caller.user === user.id) this.callerGraces.stop(call);
    else if (call.state === "ringing") ring(this, call, connection, call.ringing.includes(device));
  }

  /** The user's last socket is gone. */
  left(user) {
    const call = this.book.live(user.id);
    if (call === null) return;
    if (call.state === "accepted") this.callGraces.start(call);
    else if (call.caller.user === user.id) this.callerGraces.start(call);
  }

  // Asking ----------------------------------------------------------------------------------------------------------

  /** A user's calls, as the ack of `call:sync` lists them. */
  callsOf(user, now) {
    return this.book.of(user.id, now).map((call) => {
      const role = call.role(user.id);
      const peer = role === "caller" ? call.receiver : call.caller;
      const { callType, state, created } = call;
      const row = { callId: call[role].callId, role, peerId: peer.shown, callType, state, timestamp: created };
      if (call.code) row.code = call.code;
      if (state === "ringing") row.expiresAt = call.expiresAt;
      return row;
    });
  }
}

module.exports = { Switchboard };
