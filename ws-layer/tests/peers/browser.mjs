// A client shaped like a browser: no headers, only subprotocols and frames. Arguments: URL, traceparent.
import assert from "node:assert";

const [url, traceparent] = process.argv.slice(2);
const socket = new WebSocket(url, ["wsobs.v1", `wsobs.tp.${traceparent}`]);
const next = () => new Promise((resolve) => socket.addEventListener("message", (event) => resolve(event.data), { once: true }));
socket.addEventListener("error", (event) => { throw event.error; });
await new Promise((resolve) => socket.addEventListener("open", resolve, { once: true }));
assert.strictEqual(socket.protocol, "wsobs.v1");
const welcome = next();
socket.send(JSON.stringify({ op: "hello", tp: traceparent }));
assert.strictEqual(JSON.parse(await welcome).op, "welcome");
const answer = next();
socket.send("hi");
assert.strictEqual(await answer, "hi");
const closed = new Promise((resolve) => socket.addEventListener("close", resolve, { once: true }));
socket.close(1000, "done");
console.log("ok", (await closed).code);
