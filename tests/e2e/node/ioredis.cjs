// ioredis 5 against the bus on PAWL_PORT: connect, push, claim with wait, ack, pipeline.
const assert = require("node:assert/strict");
const { createRequire } = require("node:module");
const Redis = createRequire(process.env.PAWL_NODE + "/")("ioredis");

const pairs = (flat) => Object.fromEntries(Array.from({ length: flat.length / 2 }, (_, i) => [flat[2 * i], flat[2 * i + 1]]));

async function main() {
  const worker = new Redis(Number(process.env.PAWL_PORT));
  const client = new Redis(Number(process.env.PAWL_PORT));
  const waiting = worker.call("CLAIM", "node", "jobs", "WAIT", "30000");
  const id = await client.call("PUSH", "jobs", "payload");
  const claim = pairs((await waiting)[0]);
  assert.equal(claim.id, id);
  assert.equal(claim.payload, "payload");
  assert.equal(await worker.call("ACK", id, claim.token), "OK");
  await assert.rejects(worker.call("ACK", id, claim.token), /^ReplyError: LOST /);
  const pushed = await client.pipeline(Array.from({ length: 200 }, (_, n) => ["call", "PUSH", "many", String(n)])).exec();
  assert.equal(new Set(pushed.map(([error, one]) => error ?? one)).size, 200);
  assert.equal((await worker.call("CLAIM", "node", "many", "COUNT", "200")).length, 200);
  worker.disconnect();
  client.disconnect();
  console.log("fine");
}
main().catch((error) => { console.error(error); process.exit(1); });
