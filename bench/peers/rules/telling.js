"use strict";
// Who is told what, and the line in the call's timeline.
// `call:rejected`, `call:timeout` and `call:busy` go to the device that dialled only, as the state changes; everybody
// else gets `call:ended`. A ringing device is always stopped by `call:cancelled`, then `call:ended`.

const { reasonOf } = require("./words");

function send(call, connection, name, payload) {
  call.step(payload.timestamp ?? Date.now(), "told", connection.user.shown, connection.device, name);
  connection.socket.emit(name, payload);
}

/** Tells one device; says whether it has a socket. */
function tellDevice(board, call, party, device, name, payload) {
  const connection = board.directory.get(party.user)?.newest(device);
  if (!connection) return false;
  send(call, connection, name, payload);
  return true;
}

/** Tells the device of a party that is in the call; all his devices if that one has no socket. */
function tellParty(board, call, party, name, payload) {
  const user = board.directory.get(party.user);
  if (user === undefined) return;
  const inCall = party.device === null ? null : user.newest(party.device);
  if (inCall !== null) send(call, inCall, name, payload);
  else for (const connection of user.devices()) send(call, connection, name, payload);
}

/** Returns the `call:ended` of a party; with a `code`, of one device that is out of a call that goes on. */
function endedEvent(call, party, now, code = call.code) {
  const toCaller = party === call.caller;
  const event = { callId: party.callId, reason: reasonOf(code, call.reason, toCaller), timestamp: now, code };
  if (code === call.code) {
    if (call.endedBy) event.endedBy = call.endedBy;
    if (call.accepted) event.durationMs = Math.max(0, call.ended - call.accepted);
  }
  return event;
}

/** Stops the ring of one device of the receiver. */
function stopDevice(board, call, device, now, code) {
  const connection = board.directory.get(call.receiver.user)?.newest(device);
  if (!connection) return;
  const ended = endedEvent(call, call.receiver, now, code);
  const cancelled = { callId: ended.callId, reason: ended.reason, timestamp: now, code: ended.code };
  send(call, connection, "call:cancelled", cancelled);
  send(call, connection, "call:ended", ended);
}

/** Stops every device that rings, but the one that answered. */
function stopRing(board, call, now, code = call.code, but = null) {
  for (const device of call.ringing) {
    if (device === but) continue;
    call.stopped.push(device);
    stopDevice(board, call, device, now, code);
  }
  call.ringing = [];
}

/** Tells the device that dialled how its ringing call ended. */
function tellDialler(board, call, now) {
  const { caller, code } = call;
  const event = { callId: caller.callId, reason: reasonOf(code, call.reason, true), timestamp: now, code };
  if (code === "declined") tellParty(board, call, caller, "call:rejected", event);
  else if (code === "no_answer" || code === "unreachable") tellParty(board, call, caller, "call:timeout", event);
  else if (code === "busy") tellDevice(board, call, caller, caller.device, "call:busy", { callId: caller.callId });
  else tellParty(board, call, caller, "call:ended", endedEvent(call, caller, now));
}

/** Tells the other devices of a party that the call is over: `device` ended it, those that were stopped know. */
function tellOthers(board, call, party, device, now) {
  const user = board.directory.get(party.user);
  if (user === undefined || (user.connections.length === 1 && user.connections[0].device === device)) return;
  const stopped = party === call.receiver ? call.stopped : [];
  for (const connection of user.devices()) {
    if (connection.device === device || stopped.includes(connection.device)) continue;
    send(call, connection, "call:ended", endedEvent(call, party, now));
  }
}

/** Rings one device of the receiver. */
function ring(board, call, connection, resumed) {
  const { caller, receiver } = call;
  const event = {
    callId: receiver.callId,
    callerId: caller.shown,
    callerName: call.callerName,
    callType: call.callType,
    channelName: call.channelName,
    agoraToken: call.agoraToken,
    timestamp: call.created,
    expiresAt: call.expiresAt,
  };
  if (resumed) event.resumed = true;
  else call.ringing.push(connection.device);
  send(call, connection, "call:incoming", event);
}

module.exports = { tellDevice, tellParty, endedEvent, stopDevice, stopRing, tellDialler, tellOthers, ring };
