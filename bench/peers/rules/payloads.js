"use strict";
// One check for each payload, written by hand: it returns what is wrong with it, or null. A missing, null or mistyped
// field is refused.

const { isUser, canonicalCall } = require("./ids");

const MAX_CHANNEL = 256;
const MAX_AGORA_TOKEN = 4096;
const MAX_WATCHED = 500;

const NO_OBJECT = "Invalid payload: expected one object";
const isObject = (value) => typeof value === "object" && value !== null && !Array.isArray(value);
const optional = (value, type) => value === undefined || typeof value === type;
const mistyped = (field, type) => `Invalid payload: ${field} is not a ${type}`;

function isCallType(text) {
  if (text === "audio" || text === "video") return true;
  const lower = text.toLowerCase();
  return lower === "audio" || lower === "video";
}

function initiate(payload) {
  if (!isObject(payload)) return NO_OBJECT;
  const { receiverId, callId, callType, channelName, agoraToken } = payload;
  if (typeof receiverId !== "string") return mistyped("receiverId", "string");
  if (typeof callId !== "string") return mistyped("callId", "string");
  if (typeof callType !== "string") return mistyped("callType", "string");
  if (typeof channelName !== "string") return mistyped("channelName", "string");
  if (typeof agoraToken !== "string") return mistyped("agoraToken", "string");
  if (!optional(payload.timestamp, "number")) return mistyped("timestamp", "number");
  if (!isUser(receiverId)) return "Invalid receiverId";
  if (!isCallType(callType)) return "callType is audio or video";
  if (!channelName || channelName.length > MAX_CHANNEL) return `channelName has 1 to ${MAX_CHANNEL} characters`;
  if (agoraToken.length > MAX_AGORA_TOKEN) return `agoraToken has at most ${MAX_AGORA_TOKEN} characters`;
  return canonicalCall(callId) === null ? "Invalid callId" : null;
}

function call(payload) {
  if (!isObject(payload)) return NO_OBJECT;
  if (typeof payload.callId !== "string") return mistyped("callId", "string");
  return canonicalCall(payload.callId) === null ? "Invalid callId" : null;
}

function callWithReason(payload) {
  return call(payload) ?? (optional(payload.reason, "string") ? null : mistyped("reason", "string"));
}

function upgradeAnswer(payload) {
  const problem = callWithReason(payload);
  if (problem !== null) return problem;
  return typeof payload.accepted === "boolean" ? null : mistyped("accepted", "boolean");
}

const anyObject = (payload) => (isObject(payload) ? null : NO_OBJECT);

function watch(payload) {
  if (!isObject(payload)) return NO_OBJECT;
  const { userIds } = payload;
  if (!Array.isArray(userIds)) return mistyped("userIds", "list");
  const fits = userIds.length <= MAX_WATCHED && userIds.every((id) => typeof id === "string" && isUser(id));
  return fits ? null : `userIds has at most ${MAX_WATCHED} user ids`;
}

module.exports = { initiate, call, callWithReason, upgradeAnswer, anyObject, watch };
