// Against the real server, over a line that breaks. `cargo test -p campanile-ws --all-features`
// starts one and names it in CAMPANILE_WS_URL; without it, this is skipped.

import assert from 'node:assert/strict';
import net from 'node:net';
import { test } from 'node:test';
import { CampanileSocket } from '../campanile-ws.js';

const server = process.env.CAMPANILE_WS_URL;
const skip = server ? false : 'CAMPANILE_WS_URL is not set';

/** A way to the server that can be cut. */
async function gate() {
  const { hostname, port, pathname } = new URL(server);
  const sockets = new Set();
  let isShut = false;
  const listener = net.createServer((client) => {
    client.on('error', () => {});
    if (isShut) {
      client.resetAndDestroy();
      return;
    }
    const there = net.connect(Number(port), hostname);
    for (const [one, other] of [[client, there], [there, client]]) {
      sockets.add(one);
      one.on('error', () => other.destroy());
      one.on('close', () => { sockets.delete(one); other.destroy(); });
      one.pipe(other);
    }
  });
  await new Promise((done) => listener.listen(0, '127.0.0.1', done));
  return {
    url: `ws://127.0.0.1:${listener.address().port}${pathname}`,
    shut() {
      isShut = true;
      for (const socket of sockets) socket.resetAndDestroy();
    },
    open() { isShut = false; },
    end: () => listener.close(),
  };
}

/** A client whose events are read one after the other. */
function start(url, options) {
  const live = new CampanileSocket(url, { random: () => 0.02, ...options });
  const told = [];
  let wake = () => {};
  for (const type of ['attached', 'message', 'detached', 'ended']) {
    live.addEventListener(type, ({ detail }) => { told.push([type, detail]); wake(); });
  }
  const next = async () => {
    while (!told.length) await new Promise((done) => { wake = done; });
    return told.shift();
  };
  const expect = async (expected) => {
    const [type, detail] = await next();
    assert.equal(type, expected, JSON.stringify(detail));
    return detail;
  };
  return { live, next, expect };
}

test('a client whose socket dies again and again hands over each message once', { skip, timeout: 60_000 }, async () => {
  const way = await gate();
  const client = start(way.url, { traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01' });
  const { sid, state, mustLoad } = await client.expect('attached');
  assert.deepEqual([state, mustLoad], ['new', true]);
  // Another one, over a line that holds, asks for what happens to the first.
  const other = start(server);
  await other.expect('attached');
  let read = 0;
  for (let round = 0; round < 10; round += 1) {
    client.live.send('push 5');
    for (const until = read + 1 + round % 5; read < until;) {
      assert.equal(await client.expect('message'), `m${++read}`);
    }
    way.shut();
    other.live.send('when it is away, push 3');
    assert.equal(await other.expect('message'), 'pushed');
    way.open();
    let attached;
    while (!attached) {
      const [type, detail] = await client.next();
      if (type === 'message') assert.equal(detail, `m${++read}`);
      if (type === 'attached') attached = detail;
    }
    assert.deepEqual([attached.sid, attached.state, attached.mustLoad], [sid, 'replayed', false]);
    for (; read < 8 * (round + 1);) assert.equal(await client.expect('message'), `m${++read}`);
  }
  other.live.close();
  for (const text of ['\u001e', '\u001e{"op":"hb"}', '\u001e\u001ex', '']) {
    client.live.send(`echo ${text}`);
    assert.equal(await client.expect('message'), text);
  }
  client.live.send(new Uint8Array([0x1e, 0, 255]));
  assert.deepEqual(new Uint8Array(await client.expect('message')), new Uint8Array([0x1e, 0, 255]));
  client.live.close();
  assert.deepEqual(await client.expect('ended'), { why: 'here' });
  way.end();
});

test('a session that was closed is not there any more', { skip, timeout: 60_000 }, async () => {
  const kept = new Map();
  const storage = {
    getItem: (key) => kept.get(key) ?? null,
    setItem: (key, value) => kept.set(key, value),
    removeItem: (key) => kept.delete(key),
  };
  const first = start(server, { storage });
  const { sid } = await first.expect('attached');
  const copy = new Map(kept);
  first.live.close();
  await first.expect('ended');
  assert.equal(kept.size, 0);
  for (const [key, value] of copy) kept.set(key, value);
  const second = start(server, { storage });
  const attached = await second.expect('attached');
  assert.notEqual(attached.sid, sid);
  assert.deepEqual([attached.state, attached.mustLoad], ['new', true]);
  assert.ok(['unknown_session', 'expired', 'conflict'].includes(attached.result), attached.result);
  second.live.send('close');
  const ended = await second.expect('ended');
  assert.deepEqual(ended, { why: 'closed', code: 4000, reason: 'done' });
});
