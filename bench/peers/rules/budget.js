"use strict";
// How many events a user may send in any sixty seconds, exactly: the times of his newest ones stand in a ring, and
// the next passes when the oldest of a full ring is a minute old.

const MINUTE = 60_000;

class Times {
  constructor(most) {
    this.times = new Float64Array(Math.min(16, most));
    this.count = 0;
    this.oldest = 0;
  }
}

class EventBudget {
  /** `perMinute` 0 turns it off. */
  constructor(perMinute) {
    this.perMinute = perMinute;
    this.recent = new Map();
    this.earlier = new Map();
    this.turn = 0;
  }

  /** Counts an event. A `forced` one counts but always passes; a refused one does not count. */
  allow(user, forced) {
    if (this.perMinute === 0) return true;
    const now = performance.now();
    if (now >= this.turn) this.forgetIdle(now);
    const mine = this.recent.get(user) ?? this.find(user);
    if (mine.count < this.perMinute) {
      if (mine.count === mine.times.length) this.grow(mine);
      mine.times[mine.count++] = now;
      return true;
    }
    if (!forced && now - mine.times[mine.oldest] < MINUTE) return false;
    mine.times[mine.oldest] = now;
    mine.oldest = mine.oldest + 1 === this.perMinute ? 0 : mine.oldest + 1;
    return true;
  }

  find(user) {
    const mine = this.earlier.get(user) ?? new Times(this.perMinute);
    this.earlier.delete(user);
    this.recent.set(user, mine);
    return mine;
  }

  grow(mine) {
    const longer = new Float64Array(Math.min(mine.times.length * 2, this.perMinute));
    longer.set(mine.times);
    mine.times = longer;
  }

  /** Drops the users without an event since the turn before. */
  forgetIdle(now) {
    this.earlier = now - this.turn >= MINUTE ? new Map() : this.recent;
    this.recent = new Map();
    this.turn = now + MINUTE;
  }
}

module.exports = { EventBudget };
