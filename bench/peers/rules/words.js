"use strict";
// The sentences that phones are told.

const REFUSALS = {
  invalid_payload: "Invalid payload",
  forbidden: "Not allowed",
  not_found: "Call not found",
  conflict: "Not possible in this state of the call",
  stale: "Call is too old",
  rate_limited: "Too many requests",
  answered_elsewhere: "Answered on another device",
  internal: "Internal error",
};

const REASONS = {
  completed: "Remote user ended call",
  cancelled: "Caller ended call",
  declined: "User declined",
  no_answer: "Timeout",
  unreachable: "Timeout",
  connection_lost: "User disconnected",
  answered_elsewhere: "Answered on another device",
  declined_elsewhere: "Declined on another device",
  busy: "User is busy",
  glare: "User is busy",
  superseded: "Superseded",
  max_duration: "Max duration",
};

/** Returns the reason that goes with a code; `given` is the text of the one who ended the call. */
function reasonOf(code, given, toCaller = false) {
  if (given && (code === "cancelled" || code === "declined")) return given;
  if (toCaller && (code === "no_answer" || code === "unreachable")) return "No answer";
  return REASONS[code];
}

module.exports = { REFUSALS, reasonOf };
