// What both clients share: slots that work until enough is done, and the line of figures that bench_load prints too.
"use strict";
const { createRequire } = require("node:module");

// The libraries are where tools/bench/peers has put them.
exports.library = createRequire(process.env.PAWL_BENCH_NODE + "/");

exports.plan = function plan() {
  const [port, measure, connections, depth, ops, bytes, warm] = process.argv.slice(2);
  return {
    port: Number(port), measure, connections: Number(connections), depth: Number(depth), ops: Number(ops),
    payload: "x".repeat(Number(bytes)), warm: Number(warm ?? 0),
  };
};

// Takes note of every operation that ends; the first `warm` ones do not count: connections, plans, compiled code.
exports.Clock = class Clock {
  constructor(ops, warm) {
    this.took = [];
    this.ops = ops;
    this.warm = Math.min(warm, ops - 1);
    this.ended = 0;
    this.start = process.hrtime.bigint();
  }

  // True once that was the last one.
  end(asked) {
    const now = process.hrtime.bigint();
    if (++this.ended > this.warm) this.took.push(Number(now - asked) / 1e3);
    if (this.ended === this.warm) this.start = now;
    this.stop = now;
    return this.ended === this.ops;
  }

  print(empty) {
    exports.print(Float64Array.from(this.took), Number(this.stop - this.start) / 1e9, empty);
  }
};

// Starts loops over one(slot) until `ops` of them have ended; prints the figures.
exports.measure = async function measure(slots, ops, warm, one) {
  const clock = new exports.Clock(ops, warm);
  let begun = 0;
  let empty = 0;
  await Promise.all(slots.map(async (slot) => {
    while (begun < ops) {
      begun++;
      const asked = process.hrtime.bigint();
      empty += (await one(slot)) ?? 0;
      clock.end(asked);
    }
  }));
  clock.print(empty);
};

exports.print = function print(took, seconds, empty) {
  took.sort();
  const at = (part) => Math.round(took[Math.min(took.length - 1, Math.floor(part * took.length))]);
  console.log(JSON.stringify({
    ops: took.length, seconds, per_second: Math.round(took.length / seconds), p50_us: at(0.5), p99_us: at(0.99), errors: 0, empty,
  }));
};

exports.main = function main(run) {
  run().then(() => process.exit(0), (error) => {
    console.error(error.stack ?? error);
    process.exit(1);
  });
};
