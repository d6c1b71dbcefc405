"use strict";
// The events of phones: look at the payload, count it against the user's budget, hand it to the switchboard.
// One listener takes all events of a socket (`onAny`), so a connection costs one reference instead of thirteen
// listeners, and an unknown event is answered like any other mistake.

const { Command, outcomes } = require("./command");
const { canonicalCall, canonicalUser } = require("./ids");
const payloads = require("./payloads");

/** What the budget does to an event that is over it; every event counts. */
const REFUSES = 0;
const PASSES = 1;
const LEAVES_TO_RULES = 2;

const event = (kind, check, run, budget = REFUSES) => ({ kind, check, run, budget, results: outcomes() });

class Events {
  constructor(board, budget) {
    this.board = board;
    this.budget = budget;
    const command = (given) => board.command(given);
    const dial = (given, within) => board.dial(given, within);
    const upgrade = () => event("upgrade", payloads.call, command);
    this.known = new Map([
      ["call:initiate", event("initiate", payloads.initiate, dial, LEAVES_TO_RULES)],
      ["call:accept", event("accept", payloads.call, command)],
      ["call:reject", event("reject", payloads.callWithReason, command, PASSES)],
      ["call:cancel", event("cancel", payloads.callWithReason, command, PASSES)],
      ["call:end", event("end", payloads.call, command, PASSES)],
      ["call:ringing", event("ringing", payloads.call, command, PASSES)],
      ["call:upgrade", upgrade()],
      ["call:switchToVideo", upgrade()],
      ["call:switch_to_video", upgrade()],
      ["call:upgrade:response", event("upgradeAnswer", payloads.upgradeAnswer, command)],
      ["call:sync", event("sync", payloads.anyObject, (given) => this.sync(given), PASSES)],
      ["presence:watch", event("watch", payloads.watch, (given) => this.watch(given))],
    ]);
    this.unknown = event("unknown", () => "Unknown event", null, PASSES);
  }

  /** Takes one event of a connection; the last argument is the ack if the phone asked for one. */
  take(me, name, args) {
    const ack = typeof args[args.length - 1] === "function" ? args.pop() : undefined;
    const { kind, check, run, budget, results } = this.known.get(name) ?? this.unknown;
    const command = new Command(kind, me, args[0], ack, results);
    try {
      const problem = check(args[0]);
      const within = this.budget.allow(me.user.id, budget === PASSES || problem !== null);
      if (problem !== null) command.refuse("invalid_payload", this.partyCall(command), problem);
      else if (within || budget === LEAVES_TO_RULES) run(command, within);
      else command.refuse("rate_limited", this.partyCall(command));
    } catch (error) {
      console.error(`${name} failed`, error);
      command.refuse("internal");
    }
  }

  /** The call that a refused command names, if its sender is a party of it. */
  partyCall({ me, payload, now }) {
    const id = canonicalCall(payload?.callId);
    const call = id === null ? undefined : this.board.book.find(id, now);
    return call !== undefined && call.role(me.user.id) !== null ? call : null;
  }

  sync(command) {
    const { me, now } = command;
    command.answer({ success: true, serverTime: now, calls: this.board.callsOf(me.user, now) });
  }

  /** Presence is told to everybody or nobody here, so the list itself is not kept; who is online is said. */
  watch(command) {
    const online = {};
    for (const id of command.payload.userIds) online[id] = this.board.directory.get(canonicalUser(id)) !== undefined;
    command.answer({ success: true, online });
  }
}

module.exports = { Events };
