// graphile-worker over the PostgreSQL on a port:
//   node graphile-worker.js PORT migrate|push|take|cycle CONNECTIONS 1 OPS BYTES [WARM]
// CONNECTIONS is the size of the pool that adds and runs share, and the worker's concurrency.
"use strict";
const EventEmitter = require("node:events");
const { library, plan, measure, Clock, main } = require("./figures.js");
const { Pool } = library("pg");
const { run, makeWorkerUtils, runMigrations, Logger } = library("graphile-worker");

const want = plan();
process.env.NO_LOG_SUCCESS = "1";
const fail = (error) => { console.error(error); process.exit(1); };
const logger = new Logger(() => (level, message) => { if (level === "error") fail(message); });
// One more for LISTEN, which the worker keeps to itself.
const pgPool = new Pool({ host: "127.0.0.1", port: want.port, user: "postgres", database: "postgres", max: want.connections + 1 });
pgPool.on("error", fail);

// Calls back when a job has been run and its completion is committed.
function startWorker(onComplete, onStart = () => {}) {
  const events = new EventEmitter();
  events.on("job:start", ({ job }) => onStart(job));
  events.on("job:complete", ({ job, error }) => (error ? fail(error) : onComplete(job)));
  const bench = async ({ payload }) => { if (payload.length !== want.payload.length) fail("a payload changed on its way"); };
  return run({ pgPool, logger, events, concurrency: want.connections, noHandleSignals: true, taskList: { bench } });
}

// Every job that is there.
async function take() {
  const clock = new Clock(want.ops, want.warm);
  const asked = new Map();
  let finish;
  const all = new Promise((resolve) => { finish = resolve; });
  const runner = await startWorker((job) => { if (clock.end(asked.get(job.id))) finish(); }, (job) => asked.set(job.id, process.hrtime.bigint()));
  await all;
  await runner.stop();
  clock.print(0);
}

// Each lane adds a job, waits until that one has been run and completed, adds the next.
async function cycle(utils) {
  const waiting = new Map();
  const runner = await startWorker((job) => waiting.get(job.payload.lane)());
  const lanes = Array.from({ length: want.connections }, (_, lane) => lane);
  const one = async (lane) => {
    const done = new Promise((resolve) => { waiting.set(lane, resolve); });
    await utils.addJob("bench", { lane, payload: want.payload });
    await done;
  };
  await measure(lanes, want.ops, want.warm, one);
  await runner.stop();
}

main(async () => {
  if (want.measure === "migrate") return runMigrations({ pgPool, logger });
  if (want.measure === "take") return take();
  const utils = await makeWorkerUtils({ pgPool, logger });
  const lanes = Array.from({ length: want.connections }, (_, lane) => lane);
  if (want.measure === "push") return measure(lanes, want.ops, want.warm, async () => { await utils.addJob("bench", { payload: want.payload }); });
  if (want.measure === "cycle") return cycle(utils);
  throw new Error(`what is ${want.measure}?`);
});
