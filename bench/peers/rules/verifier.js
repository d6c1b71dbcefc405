"use strict";
// Who a phone is. With a backend its token is verified there, over kept-alive connections, and the verdict is kept
// for five minutes; without one, development tokens `dev:<user id>` are taken at their word.
// The agent of node:http was measured to be the cheapest way to ask, before undici's pool and fetch.

const http = require("node:http");
const https = require("node:https");
const { canonicalUser, isUser } = require("./ids");

const FRESH = 300_000;
const KEPT = 24 * 3_600_000;
const REFUSED_FOR = 5_000;
const MOST_VERDICTS = 50_000;
const CONNECTIONS = 128;
const PATIENCE = 8_000;
const ONCE = 3_000;
const MAX_BODY = 262_144;

/** What a verifier says of a bad token; `null` stands for a backend that does not answer. */
const INVALID = Symbol("invalid token");

function identityOf(id, name) {
  const written = typeof id === "number" ? String(id) : id;
  if (typeof written !== "string" || !isUser(written)) return null;
  return { user: canonicalUser(written), id: written, name: typeof name === "string" ? name.slice(0, 256) : "" };
}

class DevVerifier {
  verify(token) {
    if (!token.startsWith("dev:")) return INVALID;
    const id = token.slice(4).split(":", 1)[0];
    return identityOf(id, `User ${id}`) ?? INVALID;
  }
}

class LaravelVerifier {
  constructor(url) {
    const { protocol, hostname, port, pathname } = new URL(`${url}/api/v1/users/me`);
    this.client = protocol === "https:" ? https : http;
    const agent = new this.client.Agent({ keepAlive: true, maxSockets: CONNECTIONS });
    this.options = { hostname, port, path: pathname, agent, timeout: ONCE };
    this.verdicts = new Map();
    this.asking = new Map();
  }

  /** Returns an identity, INVALID, or null when the backend gave no answer in time; or a promise of one of these. */
  verify(token) {
    const kept = this.verdicts.get(token);
    if (kept !== undefined && Date.now() - kept.at < (kept.verdict === INVALID ? REFUSED_FOR : FRESH)) {
      return kept.verdict;
    }
    let asked = this.asking.get(token);
    if (asked === undefined) {
      asked = this.ask(token, kept).finally(() => this.asking.delete(token));
      this.asking.set(token, asked);
    }
    return asked;
  }

  /** Asks until there is an answer; an old verdict counts if none comes. */
  async ask(token, kept) {
    const giveUp = performance.now() + PATIENCE;
    for (let pause = 250; ; pause *= 2) {
      const verdict = await this.askOnce(token);
      if (verdict !== null) {
        this.keep(token, verdict);
        return verdict;
      }
      if (kept !== undefined && kept.verdict !== INVALID && Date.now() - kept.at < KEPT) return kept.verdict;
      if (performance.now() + pause > giveUp) return null;
      await new Promise((resolve) => setTimeout(resolve, pause * (0.5 + Math.random())));
    }
  }

  askOnce(token) {
    return new Promise((resolve) => {
      const headers = { Authorization: `Bearer ${token}`, Accept: "application/json" };
      const request = this.client.get({ ...this.options, headers }, (response) => {
        let body = "";
        response.setEncoding("utf8");
        response.on("data", (piece) => {
          body += piece;
          if (body.length > MAX_BODY) response.destroy();
        });
        response.on("error", () => resolve(null));
        response.on("close", () => resolve(null));
        response.on("end", () => resolve(verdictOf(response.statusCode, body)));
      });
      request.on("timeout", () => request.destroy());
      request.on("error", () => resolve(null));
    });
  }

  keep(token, verdict) {
    this.verdicts.delete(token);
    this.verdicts.set(token, { verdict, at: Date.now() });
    if (this.verdicts.size > MOST_VERDICTS) this.verdicts.delete(this.verdicts.keys().next().value);
  }
}

function verdictOf(status, body) {
  if (status === 401 || status === 403) return INVALID;
  if (status !== 200) return null;
  try {
    const { success, data } = JSON.parse(body);
    return success === true ? identityOf(data.id, data.name) : null;
  } catch {
    return null;
  }
}

const verifierOf = (url) => (url ? new LaravelVerifier(url) : new DevVerifier());

module.exports = { verifierOf, INVALID };
