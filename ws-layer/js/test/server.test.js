// Against the real server, over a line that breaks. `cargo test -p campanile-ws --all-features`
// starts one and names it in CAMPANILE_WS_URL; without it, this is skipped.

import assert from 'node:assert/strict';
import net from 'node:net';
import { test } from 'node:test';
import { CampanileSocket } from '../campanile-ws.js';

const server = process.env.CAMPANILE_WS_URL;
// Others: one that lets few in, one that drains once a client says "drain", one where its clients go on.
const few = process.env.CAMPANILE_WS_FEW_URL;
const leaving = process.env.CAMPANILE_WS_LEAVING_URL;
const staying = process.env.CAMPANILE_WS_STAYING_URL;
const skip = server && few && leaving && staying ? false : 'CAMPANILE_WS_URL and its like are not set';

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

test('a client that our server has no room for comes back when it says', { skip, timeout: 60_000 }, async () => {
  const kept = [];
  let turned;
  while (!turned) {
    const client = start(few, { random: () => 0 });
    kept.push(client);
    const [type, detail] = await client.next();
    if (type === 'detached') turned = detail;
    else assert.equal(type, 'attached');
  }
  assert.deepEqual([turned.cause, turned.code, turned.attempt], ['overload', 1013, 1]);
  assert.ok(turned.retryIn >= 1000, String(turned.retryIn));
  for (;;) {
    const [type, detail] = await kept.at(-1).next();
    if (type === 'attached') {
      assert.equal(detail.state, 'new');
      break;
    }
    assert.deepEqual([type, detail.cause], ['detached', 'overload']);
  }
  for (const { live } of kept) live.close();
});

test('clients of a node that drains go on at another when it says', { skip, timeout: 60_000 }, async () => {
  // The store knows of a node once a client has asked it for something.
  const there = start(staying);
  await there.expect('attached');
  let where = leaving;
  const clients = [1, 2, 3].map(() => start(() => where, { random: () => 0 }));
  const sids = [];
  for (const { expect } of clients) sids.push((await expect('attached')).sid);
  where = staying;
  const began = Date.now();
  clients[0].live.send('drain');
  const arrivals = await Promise.all(clients.map(async ({ expect }, index) => {
    const { cause, code, retryIn } = await expect('detached');
    assert.deepEqual([cause, code], ['drain', 1012]);
    const { sid, state, mustLoad } = await expect('attached');
    assert.deepEqual([sid, state, mustLoad], [sids[index], 'resumed', false]);
    assert.ok(retryIn >= 0);
    return Date.now() - began;
  }));
  // It plans for 1.6 a second. Timers of Node are up to a millisecond early.
  arrivals.sort((a, b) => a - b);
  for (const [index, at] of arrivals.entries()) assert.ok(at >= index * 625 - 10, String(arrivals));
  const late = start(leaving, { random: () => 0 });
  const told = await late.expect('detached');
  assert.deepEqual([told.cause, told.code, told.attempt], ['drain', 1012, 1]);
  assert.ok(told.retryIn >= 1000, String(told.retryIn));
  for (const { live } of [late, there, ...clients]) live.close();
});
