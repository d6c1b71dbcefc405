"use strict";
// What a command on a known call does, by the call's state and the sender's role. A pair that is not in the table is
// `forbidden`. Ended is final; the first accept wins.

const { endedEvent, stopDevice, stopRing, tellDevice, tellDialler, tellOthers, tellParty } = require("./telling");

function answer(board, call, command) {
  board.answered(call, command.me.device, command.now);
  command.accept("accepted");
  const { caller, receiver } = call;
  const event = { callId: caller.callId, receiverId: receiver.shown, timestamp: command.now };
  tellParty(board, call, caller, "call:accepted", event);
  stopRing(board, call, command.now, "answered_elsewhere", command.me.device);
}

function decline(board, call, command) {
  const { me, now } = command;
  board.end(call, now, "declined", command.reason, call.receiver.shown);
  command.accept("ended");
  confirm(board, call, command);
  tellDialler(board, call, now);
  stopRing(board, call, now, "declined_elsewhere", me.device);
}

/** Tells the device that rejected that its word was taken. */
function confirm(board, call, { me, payload }) {
  tellDevice(board, call, call.receiver, me.device, "call:reject:confirmed", { callId: payload.callId });
}

function cancel(board, call, command) {
  board.end(call, command.now, "cancelled", command.reason, call.caller.shown);
  command.accept("ended");
  stopRing(board, call, command.now);
  tellOthers(board, call, call.caller, command.me.device, command.now);
}

function show(board, call, command) {
  const { device } = command.me;
  if (call.showing.includes(device)) return command.repeat(call);
  const first = call.showing.length === 0;
  call.showing.push(device);
  if (!call.ringing.includes(device)) call.ringing.push(device);
  command.accept("ringing");
  const { caller } = call;
  const event = { callId: caller.callId, timestamp: command.now };
  if (first) tellDevice(board, call, caller, caller.device, "call:ringing", event);
}

function elsewhere(board, call, command) {
  command.refuse("answered_elsewhere", call);
  stopDevice(board, call, command.me.device, command.now, "answered_elsewhere");
}

function answerAgain(board, call, command) {
  if (call.receiver.device === command.me.device) command.repeat(call);
  else elsewhere(board, call, command);
}

function declineLate(board, call, command) {
  if (call.receiver.device === command.me.device) command.refuse("conflict", call);
  else elsewhere(board, call, command);
}

function hangUp(board, call, command, role) {
  const { me, now } = command;
  const party = call[role];
  if (role === "receiver" && party.device !== me.device && me.user.newest(party.device) !== null) {
    return elsewhere(board, call, command);
  }
  board.end(call, now, "completed", "", party.shown);
  command.accept("ended");
  const other = party === call.caller ? call.receiver : call.caller;
  tellParty(board, call, other, "call:ended", endedEvent(call, other, now));
  tellOthers(board, call, party, me.device, now);
}

function reportState(board, call, command) {
  command.accept(call.state);
}

function askVideo(board, call, command, role) {
  const { me, now } = command;
  if (call.callType.toLowerCase() === "video" || call.upgradeBy === me.user.id) return command.repeat(call);
  if (call.upgradeBy) return grantVideo(board, call, command, role, true, "");
  call.upgradeBy = me.user.id;
  board.upgrades.start(call);
  command.accept(call.state);
  const other = role === "caller" ? call.receiver : call.caller;
  const event = { callId: other.callId, senderId: call[role].shown, timestamp: now };
  tellParty(board, call, other, "call:upgrade:request", event);
}

function answerVideo(board, call, command, role) {
  if (!call.upgradeBy || call.upgradeBy === command.me.user.id) {
    return command.refuse("conflict", call, "No open request for video");
  }
  grantVideo(board, call, command, role, command.payload.accepted, command.reason);
}

function grantVideo(board, call, command, role, accepted, reason) {
  if (accepted) call.callType = videoLike(call.callType);
  call.upgradeBy = "";
  board.upgrades.stop(call);
  command.accept(call.state);
  const asker = role === "caller" ? call.receiver : call.caller;
  const event = { callId: asker.callId, accepted, timestamp: command.now };
  if (reason) event.reason = reason;
  tellParty(board, call, asker, "call:upgrade:response", event);
}

function videoLike(callType) {
  if (callType === callType.toUpperCase()) return "VIDEO";
  return callType[0] === "A" ? "Video" : "video";
}

function tooLate(board, call, command, role) {
  command.refuse(call.code, call, "Call has already ended");
  const party = call[role];
  tellDevice(board, call, party, command.me.device, "call:ended", endedEvent(call, party, command.now));
}

function alreadyOver(board, call, command) {
  command.repeat(call);
  if (command.kind === "reject") confirm(board, call, command);
}

function notNow(board, call, command) {
  command.refuse("conflict", call);
}

const both = (rule) => ({ caller: rule, receiver: rule });

const TABLE = {
  ringing: {
    accept: { receiver: answer },
    reject: { receiver: decline },
    cancel: { caller: cancel },
    end: { caller: cancel, receiver: decline },
    ringing: { receiver: show },
    upgrade: both(notNow),
    upgradeAnswer: both(notNow),
  },
  accepted: {
    accept: { receiver: answerAgain },
    reject: { receiver: declineLate },
    cancel: { caller: hangUp },
    end: both(hangUp),
    ringing: { receiver: reportState },
    upgrade: both(askVideo),
    upgradeAnswer: both(answerVideo),
  },
  ended: {
    accept: { receiver: tooLate },
    reject: { receiver: alreadyOver },
    cancel: { caller: alreadyOver },
    end: both(alreadyOver),
    ringing: { receiver: tooLate },
    upgrade: both(notNow),
    upgradeAnswer: both(notNow),
  },
};

module.exports = { TABLE };
