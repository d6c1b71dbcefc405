"use strict";
// One event of a phone, and how it is answered: counted always, acked if the phone asked for an ack.

const { canonicalCall } = require("./ids");
const { REFUSALS } = require("./words");

const MAX_REASON = 200;

class Command {
  constructor(kind, me, payload, ack, results) {
    this.kind = kind;
    this.me = me;
    this.payload = payload;
    this.now = Date.now();
    this.ack = ack;
    this.results = results;
  }

  /** The sender's own words, cut; a hang-up carries none. */
  get reason() {
    const { reason } = this.payload;
    return reason === undefined || this.kind === "end" ? "" : reason.slice(0, MAX_REASON);
  }

  answer(reply) {
    this.results[reply.success ? "ok" : (reply.code ?? "offline")]++;
    if (this.ack !== undefined) this.ack(reply);
  }

  /** Acks a command that took effect. */
  accept(state) {
    this.answer({ success: true, callId: this.payload.callId, state });
  }

  /** Acks a command that had taken effect already. */
  repeat(call) {
    const reply = { success: true, callId: this.payload.callId, state: call.state, duplicate: true };
    if (call.code) reply.code = call.code;
    this.answer(reply);
  }

  /** Refuses; `call` is given when the sender is a party of it and may see its state. */
  refuse(code, call, sentence = REFUSALS[code]) {
    const reply = { success: false, error: sentence, code };
    const callId = this.payload?.callId;
    if (canonicalCall(callId) !== null) reply.callId = callId;
    if (call) reply.state = call.state;
    this.answer(reply);
  }

  /** Refuses a command on a call that is unknown, or none of the sender's business. */
  refuseUnknown() {
    const { callId } = this.payload;
    this.answer({ success: false, error: REFUSALS.not_found, code: "not_found", state: "unknown", callId });
  }
}

/** Returns the counters of one event, by outcome. */
const outcomes = () => ({
  ok: 0, offline: 0, busy: 0, glare: 0, internal: 0, completed: 0, cancelled: 0, declined: 0, no_answer: 0,
  unreachable: 0, connection_lost: 0, superseded: 0, max_duration: 0,
  ...Object.fromEntries(Object.keys(REFUSALS).map((code) => [code, 0])),
});

module.exports = { Command, outcomes };
