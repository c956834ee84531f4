// An independent client: npm's ws. Arguments: node_modules, URL, seconds to stay.
import assert from "node:assert";
import { createRequire } from "node:module";

const [modules, url, seconds] = process.argv.slice(2);
const WebSocket = createRequire(modules + "/")("ws");

const socket = new WebSocket(url);
const next = () => new Promise((resolve) => socket.once("message", (data, binary) => resolve([data, binary])));
socket.on("error", (error) => { throw error; });
await new Promise((resolve) => socket.once("open", resolve));
for (const message of ["", "text", "κόσμε", Buffer.from([0, 255]), "x".repeat(70_000)]) {
  const answer = next();
  socket.send(message);
  const [data, binary] = await answer;
  assert.strictEqual(binary, typeof message !== "string");
  assert.deepStrictEqual(data, Buffer.from(message));
}
const answer = next();
socket.send("in ", { fin: false });
socket.send("fragments", { fin: true });
assert.strictEqual((await answer)[0].toString(), "in fragments");
const pong = new Promise((resolve) => socket.once("pong", resolve));
socket.ping("mine");
assert.strictEqual((await pong).toString(), "mine");
await new Promise((resolve) => setTimeout(resolve, 1000 * Number(seconds)));
const closed = new Promise((resolve) => socket.once("close", resolve));
socket.close(4001, "done");
console.log("ok", await closed);
