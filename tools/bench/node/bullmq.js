// BullMQ against the Redis on a port:
//   node bullmq.js PORT push|take|cycle|count CONNECTIONS DEPTH OPS BYTES [WARM]
// A connection has a Queue and a Worker of its own. Jobs are taken as the library's manual says for whoever does it by hand:
// moveToCompleted also fetches the next job, one request for both.
"use strict";
const { library, plan, measure, main } = require("./figures.js");
const { Queue, Worker } = library("bullmq");
const Redis = library("ioredis");

const want = plan();

function connect() {
  const connection = new Redis(want.port, "127.0.0.1", { maxRetriesPerRequest: null });
  const queue = new Queue("bench", { connection });
  const worker = new Worker("bench", null, { connection, autorun: false });
  for (const one of [connection, queue, worker]) one.on("error", (error) => { console.error(error); process.exit(1); });
  return { queue, worker };
}

async function openLanes() {
  const lanes = Array.from({ length: want.connections }, connect);
  await Promise.all(lanes.flatMap(({ queue, worker }) => [queue.waitUntilReady(), worker.waitUntilReady()]));
  return lanes;
}

const slotsOf = (lanes) => lanes.flatMap((lane, i) => Array.from({ length: want.depth }, (_, k) => ({ ...lane, token: `t${i}-${k}`, job: null })));

function checked(job) {
  if (job && job.data.payload.length !== want.payload.length) throw new Error("a payload changed on its way");
  return job;
}

// Until there is one; how often there was none.
async function fetchJob(slot) {
  let empty = 0;
  while (!(slot.job = checked(await slot.worker.getNextJob(slot.token, { block: false })))) {
    if (++empty > 10_000) throw new Error("the queue is empty");
  }
  return empty;
}

async function complete(slot, fetchNext) {
  const next = await slot.job.moveToCompleted("ok", slot.token, fetchNext);
  slot.job = null;
  if (!fetchNext) return 0;
  if (next && next[0]) slot.job = checked(await slot.worker.nextJobFromJobData(next[0], next[1], slot.token));
  return slot.job ? 0 : fetchJob(slot);
}

const add = ({ queue }) => queue.add("bench", { payload: want.payload });

main(async () => {
  const lanes = await openLanes();
  const slots = slotsOf(lanes);
  if (want.measure === "count") {
    console.log(JSON.stringify(await lanes[0].queue.getJobCounts("waiting", "active", "failed", "delayed")));
  } else if (want.measure === "push") {
    await measure(slots, want.ops, want.warm, async (slot) => { await add(slot); });
  } else if (want.measure === "take") {
    // What is fetched beforehand is a part of the jobs there are, and completed after the clock stopped.
    const first = slots.slice(0, want.ops);
    await Promise.all(first.map(fetchJob));
    await measure(first, want.ops - first.length, want.warm, (slot) => complete(slot, true));
    await Promise.all(first.map((slot) => complete(slot, false)));
  } else if (want.measure === "cycle") {
    await Promise.all(slots.map(add));
    await Promise.all(slots.map(fetchJob));
    await measure(slots, want.ops, want.warm, async (slot) => { await add(slot); return complete(slot, true); });
    await Promise.all(slots.map((slot) => complete(slot, false)));
  } else {
    throw new Error(`what is ${want.measure}?`);
  }
});
