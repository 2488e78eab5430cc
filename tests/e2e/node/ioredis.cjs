// ioredis 5 against the bus on PAWL_PORT: connect, push, claim with wait, ack, pipeline, transaction, subscribe.
const assert = require("node:assert/strict");
const { createRequire } = require("node:module");
const Redis = createRequire(process.env.PAWL_NODE + "/")("ioredis");

const pairs = (flat) => Object.fromEntries(Array.from({ length: flat.length / 2 }, (_, i) => [flat[2 * i], flat[2 * i + 1]]));

async function main() {
  const worker = new Redis(Number(process.env.PAWL_PORT), "127.0.0.1");
  const client = new Redis(Number(process.env.PAWL_PORT), "127.0.0.1");
  const listener = new Redis(Number(process.env.PAWL_PORT), "127.0.0.1");
  const waiting = worker.call("CLAIM", "node", "jobs", "WAIT", "30000");
  const id = await client.call("PUSH", "jobs", "payload");
  const claim = pairs((await waiting)[0]);
  assert.equal(claim.id, id);
  assert.equal(claim.payload, "payload");
  assert.equal(await worker.call("ACK", id, claim.token), "OK");
  await assert.rejects(worker.call("ACK", id, claim.token), /^ReplyError: LOST /);

  const pushed = await client.pipeline(Array.from({ length: 200 }, (_, n) => ["call", "PUSH", "many", String(n)])).exec();
  assert.equal(new Set(pushed.map(([error, one]) => error ?? one)).size, 200);
  const claims = (await worker.call("CLAIM", "node", "many", "COUNT", "200")).map(pairs);
  assert.equal(claims.length, 200);

  const done = await worker.multi().call("ACK", claims[0].id, claims[0].token).call("PUSH", "jobs", "next").exec();
  assert.deepEqual([done.length, done[0]], [2, [null, "OK"]]);
  assert.equal((await worker.call("CLAIM", "node", "jobs")).length, 1);

  const heard = new Promise((resolve) => listener.on("message", (channel, text) => resolve([channel, text])));
  await listener.subscribe("news");
  assert.equal(await client.publish("news", "hello"), 1);
  assert.deepEqual(await heard, ["news", "hello"]);
  for (const one of [worker, client, listener]) one.disconnect();
  console.log("fine");
}
main().catch((error) => { console.error(error); process.exit(1); });
