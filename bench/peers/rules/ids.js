"use strict";
// Ids are written in several ways: `USR_USR_5`, `USR_5` and `5` name one user, `CALL_17` and `17` one call.
// Inside, only the canonical form is used.

const MAX_ID = 128;
const NUMBERED_USER = /^(?:USR_)+([0-9]+)$/;
const UNPRINTABLE = /[\p{C}\p{Zl}\p{Zp}]/u;
const CALL = /^[0-9A-Za-z._~-]{1,128}$/;
const DATED_CALL = /^CALL_([0-9]{10})[0-9]{4}$/;

/** Returns the one name of a user. */
function canonicalUser(text) {
  const numbered = text.startsWith("USR_") ? NUMBERED_USER.exec(text) : null;
  return numbered ? numbered[1] : text;
}

/** Says whether a text can name a user. */
const isUser = (text) => text.length > 0 && text.length <= MAX_ID && !UNPRINTABLE.test(text);

/** Returns the one name of a call; null when the text, or whatever it is, is no call id. */
function canonicalCall(text) {
  if (typeof text !== "string" || !CALL.test(text)) return null;
  return text.startsWith("CALL_") && text.length > 5 ? text.slice(5) : text;
}

/** Returns the time in ms that a call id of the backend's own form names, else null. */
function dialledAt(written) {
  const dated = written.length === 19 ? DATED_CALL.exec(written) : null;
  return dated ? Number(dated[1]) * 1000 : null;
}

module.exports = { MAX_ID, canonicalUser, isUser, canonicalCall, dialledAt };
