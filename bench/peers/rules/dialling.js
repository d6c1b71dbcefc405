"use strict";
// What happens when somebody dials. The questions are asked in this order, and the first that has an answer decides:
// the time in the id, calling oneself, an id that is known, stale, a remembered reject, cancel or end that overtook
// this initiate, the budget of events, busy, a remembered accept; else the receiver's phones ring.

const { Call, Party } = require("./callbook");
const { canonicalCall, canonicalUser, dialledAt } = require("./ids");
const { endedEvent, ring, stopRing, tellDialler, tellOthers, tellParty } = require("./telling");

const INITIATED = "Call initiated successfully";
const OFFLINE = "User offline - FCM notification sent";
const USER_BUSY = "User is busy";
const STALE = 45_000;
const STALE_AFTER_CONNECT = 5_000;
const AHEAD = 60_000;

function dial(board, command, within) {
  const { me, payload, now } = command;
  const id = canonicalCall(payload.callId);
  const receiver = canonicalUser(payload.receiverId);
  const dated = dialledAt(payload.callId);
  if (dated !== null && dated - now > AHEAD) {
    return command.refuse("invalid_payload", null, "The time in callId is ahead of the server's");
  }
  if (receiver === me.user.id) return command.refuse("forbidden", null, "Cannot call yourself");
  const known = board.book.find(id, now);
  if (known !== undefined) return dialAgain(board, known, receiver, command);
  if (isStale(command, dated)) return command.refuse("stale");
  const early = board.early.of(id).filter((kept) => meets(kept, me.user.id, receiver));
  const over = early.find((kept) => kept.kind !== "accept");
  if (over !== undefined) return endOvertaken(board, id, receiver, command, over);
  if (!within) return command.refuse("rate_limited");
  return connect(board, id, receiver, command, early[0]);
}

function isStale({ me, payload, now }, dated) {
  if (dated !== null) return now - dated > STALE;
  if (payload.timestamp === undefined || now - payload.timestamp <= STALE) return false;
  return performance.now() - me.since <= STALE_AFTER_CONNECT;
}

/** The same id again: the state as it is now; nothing rings. */
function dialAgain(board, call, receiver, command) {
  const role = call.role(command.me.user.id);
  if (role !== "caller" || call.receiver.user !== receiver) {
    command.refuse("conflict", role === null ? null : call);
  } else if (call.refused) {
    command.answer(busyReply(call, command));
  } else {
    const offline = call.state === "ringing" && board.directory.get(receiver) === undefined;
    command.answer({ ...(offline ? offlineReply : reply)(call, command), duplicate: true });
  }
}

// Commands that overtook it ----------------------------------------------------------------------------------------

function meets(early, caller, receiver) {
  if (early.kind === "cancel") return early.user === caller;
  if (early.kind === "end") return early.user === caller || early.user === receiver;
  return early.user === receiver;
}

function endOvertaken(board, id, receiver, command, early) {
  const call = newCall(board, id, receiver, command, `overtaken by ${early.kind}`);
  board.book.add(call, false);
  const declined = early.user === receiver;
  const by = declined ? call.receiver : call.caller;
  board.end(call, command.now, declined ? "declined" : "cancelled", early.reason, by.shown);
  command.answer(reply(call, command));
  const { socket } = command.me;
  const ended = endedEvent(call, call.caller, command.now);
  const { callId, reason, timestamp, code } = ended;
  if (declined) socket.emit("call:rejected", { callId, reason, timestamp, code });
  else socket.emit("call:ended", ended);
}

// Busy -------------------------------------------------------------------------------------------------------------

function connect(board, id, receiver, command, early) {
  const { me } = command;
  const mine = board.book.live(me.user.id);
  const theirs = board.book.live(receiver);
  if (theirs !== null && theirs.state === "ringing" && theirs.receiver.user === me.user.id) {
    return refuseBusy(board, id, receiver, command, "glare", theirs.receiver.callId);
  }
  const fate = mine === null ? "none" : fateOf(mine, me);
  if (fate === "kept" || (theirs !== null && !(fate === "superseded" && theirs === mine))) {
    return refuseBusy(board, id, receiver, command, "busy", "");
  }
  const call = newCall(board, id, receiver, command, "");
  board.book.add(call, true);
  if (early !== undefined) return acceptOvertaken(board, call, command, early, mine, fate);
  board.rings.start(call);
  const user = board.directory.get(receiver);
  command.answer(user === undefined ? offlineReply(call, command) : reply(call, command));
  if (mine !== null) giveWay(board, mine, fate, command);
  if (user !== undefined) for (const connection of user.devices()) ring(board, call, connection, false);
}

/** What becomes of the live call that the caller has already. */
function fateOf(call, me) {
  if (call.state === "ringing" && call.receiver.user === me.user.id) return "outrun";
  const { device } = call.caller.user === me.user.id ? call.caller : call.receiver;
  return device === me.device || me.user.newest(device) === null ? "superseded" : "kept";
}

function refuseBusy(board, id, receiver, command, code, winner) {
  const call = newCall(board, id, receiver, command, code);
  board.book.add(call, false);
  board.end(call, command.now, code, "", "");
  call.refused = true;
  call.winnerCallId = winner;
  command.answer(busyReply(call, command));
  command.me.socket.emit("call:busy", { callId: call.caller.callId });
}

/** Ends the caller's former call for the one he dials now; its other party is told. */
function giveWay(board, call, fate, { me, now }) {
  const rang = call.state === "ringing";
  if (fate === "outrun") {
    board.end(call, now, "busy", "", "");
    tellDialler(board, call, now);
    stopRing(board, call, now);
    return;
  }
  board.end(call, now, "superseded", "", "");
  const byCaller = call.caller.user === me.user.id;
  if (rang) {
    stopRing(board, call, now);
    return;
  }
  const other = byCaller ? call.receiver : call.caller;
  tellParty(board, call, other, "call:ended", endedEvent(call, other, now));
  if (!byCaller) tellOthers(board, call, call.receiver, me.device, now);
}

function acceptOvertaken(board, call, command, early, mine, fate) {
  board.answered(call, early.device, command.now);
  if (board.directory.get(call.receiver.user) === undefined) board.callGraces.start(call);
  call.receiver.callId = early.callId;
  command.answer(reply(call, command));
  if (mine !== null) giveWay(board, mine, fate, command);
  const { callId } = command.payload;
  command.me.socket.emit("call:accepted", { callId, receiverId: call.receiver.shown, timestamp: command.now });
}

// Records and answers ----------------------------------------------------------------------------------------------

function newCall(board, id, receiver, { me, payload, now }, detail) {
  const { callId } = payload;
  const shown = board.directory.get(receiver)?.shown ?? payload.receiverId;
  const caller = new Party(me.user.id, me.user.shown, callId, me.device);
  const call = new Call(id, caller, new Party(receiver, shown, callId, null), payload, now);
  call.callerName = me.user.name;
  call.expiresAt = now + board.settings.ringTimeout;
  call.step(now, "call:initiate", me.user.shown, me.device, detail);
  return call;
}

function reply(call, { payload }) {
  const answer = { success: true, callId: payload.callId, message: INITIATED, state: call.state };
  if (call.state === "ringing") answer.expiresAt = call.expiresAt;
  if (call.code) answer.code = call.code;
  return answer;
}

function offlineReply(call, { payload }) {
  const { callId } = payload;
  return { success: false, error: OFFLINE, useFcmFallback: true, callId, state: call.state, expiresAt: call.expiresAt };
}

function busyReply(call, { payload }) {
  const { code, state } = call;
  const answer = { success: false, error: USER_BUSY, busy: true, callId: payload.callId, code, state };
  if (call.winnerCallId) answer.winnerCallId = call.winnerCallId;
  return answer;
}

module.exports = { dial };
