// node-redis against the bus on PAWL_PORT: connect, push, claim with wait, ack, pipeline, transaction, subscribe. Speaks RESP3.
const assert = require("node:assert/strict");
const { createRequire } = require("node:module");
const { createClient } = createRequire(process.env.PAWL_NODE + "/")("redis");

async function main() {
  const options = { RESP: 3, socket: { host: "127.0.0.1", port: Number(process.env.PAWL_PORT) } };
  const worker = await createClient(options).on("error", (error) => { throw error; }).connect();
  const client = await createClient(options).on("error", (error) => { throw error; }).connect();
  const waiting = worker.sendCommand(["CLAIM", "node", "jobs", "WAIT", "30000"]);
  const id = await client.sendCommand(["PUSH", "jobs", "payload", "HEADER", "a", "b"]);
  const claim = (await waiting)[0];
  assert.equal(claim.id, id);
  assert.equal(claim.payload, "payload");
  assert.equal(claim.headers.a, "b"); // a map, not a flat list: this is RESP3
  assert.equal(await worker.sendCommand(["ACK", id, claim.token]), "OK");
  await assert.rejects(worker.sendCommand(["ACK", id, claim.token]), /LOST /);
  const ids = await Promise.all(Array.from({ length: 200 }, (_, n) => client.sendCommand(["PUSH", "many", String(n)])));
  assert.equal(new Set(ids).size, 200);
  assert.equal((await worker.sendCommand(["CLAIM", "node", "many", "COUNT", "200"])).length, 200);

  await client.sendCommand(["PUSH", "steps", "first"]);
  const step = (await worker.sendCommand(["CLAIM", "node", "steps"]))[0];
  const done = await worker.multi().addCommand(["ACK", step.id, step.token]).addCommand(["PUSH", "steps", "second"]).exec();
  assert.deepEqual([done.length, done[0]], [2, "OK"]);

  const listener = await createClient(options).on("error", (error) => { throw error; }).connect();
  let tell;
  const heard = new Promise((resolve) => { tell = resolve; });
  await listener.subscribe("news", (text, channel) => tell([channel, text]));
  assert.equal(await client.publish("news", "hello"), 1);
  assert.deepEqual(await heard, ["news", "hello"]);
  for (const one of [worker, client, listener]) one.destroy();
  console.log("fine");
}
main().catch((error) => { console.error(error); process.exit(1); });
