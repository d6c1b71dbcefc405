"use strict";

/**
 * Deadlines of one length. A Map keeps them in the order in which they were set, which is the order in which they
 * pass: a sweep looks at the oldest only, and setting or clearing one costs no timer.
 */
class Expiry {
  constructor(ms, passed) {
    this.ms = ms;
    this.passed = passed;
    this.deadlines = new Map();
  }

  start(what) {
    this.deadlines.delete(what);
    this.deadlines.set(what, performance.now() + this.ms);
  }

  stop(what) {
    return this.deadlines.delete(what);
  }

  sweep(now) {
    for (const [what, at] of this.deadlines) {
      if (at > now) return;
      this.deadlines.delete(what);
      this.passed(what);
    }
  }
}

module.exports = { Expiry };
