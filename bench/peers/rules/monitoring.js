"use strict";
// `/health` and `/metrics`.

const started = Date.now();

function health({ board }) {
  return JSON.stringify({
    status: "OK",
    connectedUsers: board.directory.size,
    activeCalls: board.book.liveCount,
    timestamp: Date.now(),
    uptime: (Date.now() - started) / 1000,
    version: "bench",
  });
}

function metrics({ board, events, entrance }) {
  const lines = [`users ${board.directory.size}`, `calls_live ${board.book.liveCount}`];
  const kinds = [...events.known, ["unknown", events.unknown]];
  for (const [name, { results }] of kinds) {
    for (const [outcome, count] of Object.entries(results)) {
      if (count > 0) lines.push(`events_total{event="${name}",outcome="${outcome}"} ${count}`);
    }
  }
  for (const [outcome, count] of Object.entries(entrance.outcomes)) {
    lines.push(`connects_total{outcome="${outcome}"} ${count}`);
  }
  return `${lines.join("\n")}\n`;
}

/** Returns what answers plain HTTP requests. */
function pages(parts) {
  return (request, response) => {
    if (request.url === "/health") {
      response.setHeader("Content-Type", "application/json");
      response.end(health(parts));
    } else if (request.url === "/metrics") {
      response.setHeader("Content-Type", "text/plain");
      response.end(metrics(parts));
    } else {
      response.statusCode = 404;
      response.end();
    }
  };
}

module.exports = { pages };
