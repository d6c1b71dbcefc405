"use strict";
// What the environment says, read once.

const env = process.env;
const number = (text, otherwise) => (text === undefined || text === "" ? otherwise : Number(text));

module.exports = {
  port: number(env.PORT, 3979),
  host: env.HOST || "127.0.0.1",
  laravel: (env.LARAVEL_API_URL || "").replace(/\/+$/, "").replace(/\/api\/v1$/, ""),
  presence: env.PRESENCE_SCOPE || "all",
  ratePerMinute: number(env.RATE_LIMIT, 100),
  ringTimeout: number(env.RING_TIMEOUT, 30) * 1000,
  callerGrace: number(env.CALLER_GRACE, 15) * 1000,
  callGrace: 120_000,
  maxDuration: 4 * 3_600_000,
  upgradeTimeout: 30_000,
  offlineAfter: 5_000,
  sweepEvery: 250,
  endedCalls: 20_000,
  endedTimelines: 2_000,
};
