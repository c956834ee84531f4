import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';
import { MARK, attach, clock, start } from './scripted.js';

beforeEach(clock.on);
afterEach(clock.off);

test('the first frame asks for a session, and names the span; no token is in the address', async () => {
  const tp = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
  const client = await start({ protocols: ['chat.v2'], traceparent: () => tp });
  assert.deepEqual(client.socket.protocols, ['chat.v2', 'wsobs.v1', `wsobs.tp.${tp}`]);
  const hello = attach(client, 'new');
  assert.deepEqual(hello, { op: 'hello', seq: 0, t0: 1_700_000_000_000, tp });
  const [[type, detail]] = client.told();
  assert.equal(type, 'attached');
  assert.deepEqual(detail, { sid: '5f', state: 'new', result: undefined, mustLoad: true, replayed: 0, lost: 0, away: 0 });
  client.socket.closed();
  clock.tick(500);
  assert.equal(client.socket.url, 'wss://example.com/live');
  const { rt, seq, attempt, gap_ms } = attach(client, 'resumed');
  assert.deepEqual({ rt, seq, attempt, gap_ms }, { rt: 'after-new-0', seq: 0, attempt: 1, gap_ms: 500 });
});

test('a span that cannot be one is not named', async () => {
  const client = await start({ traceparent: 'no, spaces' });
  assert.deepEqual(client.socket.protocols, ['wsobs.v1']);
  assert.equal('tp' in client.socket.open(), false);
});

test('each message is handed over once, whatever is sent again', async () => {
  const client = await start();
  attach(client, 'new');
  for (const text of ['1', '2', '3']) client.socket.say(text);
  assert.deepEqual(client.messages(), ['1', '2', '3']);
  client.socket.closed();
  clock.tick(500);
  assert.equal(attach(client, 'replayed', 1, { n: 3 }).seq, 3);
  assert.equal(client.told().at(-1)[1].state, 'replayed');
  for (const text of ['2', '3', '4']) client.socket.say(text);
  client.socket.control({ op: 'skip', n: 3 });
  client.socket.control({ op: 'later', x: 1 });
  client.socket.say('8');
  assert.deepEqual(client.messages(), ['4', '8']);
  client.socket.closed();
  clock.tick(1000);
  assert.equal(attach(client, 'resumed', 8).seq, 8);
});

test('numbers wrap', async () => {
  const last = 2 ** 32 - 1;
  const storage = fakeStorage({ rt: 'old', seq: last });
  const client = await start({ storage });
  assert.equal(attach(client, 'replayed', last, { n: 2 }).seq, last);
  client.socket.say('a');
  client.socket.say('b');
  assert.deepEqual(client.messages(), ['a', 'b']);
  assert.equal(JSON.parse(storage.value).seq, 1);
});

test('a gap, a resync and a new session have to load; the rest has not', async () => {
  for (const [state, from, more, expected, mustLoad] of [
    ['resumed', 7, {}, 'resumed', false],
    ['replayed', 7, { n: 2 }, 'replayed', false],
    ['conflict', 7, { n: 1 }, 'replayed', false],
    ['conflict', 7, {}, 'resumed', false],
    ['resynced', 7, {}, 'resynced', true],
    ['replayed', 9, { n: 1, lost: 2 }, 'resynced', true],
    ['resumed', 3, {}, 'resynced', true],
    ['expired', 0, {}, 'new', true],
    ['unknown_session', 0, {}, 'new', true],
    ['what is this', 0, {}, 'new', true],
  ]) {
    const client = await start({ storage: fakeStorage({ rt: 'old', seq: 7 }) });
    attach(client, state, from, more);
    const [[, attached]] = client.told();
    assert.deepEqual([attached.state, attached.mustLoad, attached.result], [expected, mustLoad, state]);
    client.socket.say('next');
    assert.deepEqual(client.messages(), ['next']);
  }
});

test('acknowledgements leave at once, then by count, then by age', async () => {
  const client = await start();
  attach(client, 'new', 0, { ack: 3 });
  const [{ t0 }] = client.socket.beats();
  client.socket.control({ op: 'hb', t0, t1: t0, t2: t0 });
  for (const text of ['1', '2']) client.socket.say(text);
  assert.deepEqual(client.socket.beats(), []);
  client.socket.say('3');
  assert.deepEqual(client.socket.beats(), [{ op: 'hb', seq: 3 }]);
  client.socket.say('4');
  clock.tick(999);
  assert.deepEqual(client.socket.beats(), []);
  clock.tick(1);
  assert.deepEqual(client.socket.beats(), [{ op: 'hb', seq: 4 }]);
  clock.tick(24_000);
  assert.equal(client.socket.beats()[0].seq, 4);
});

test('a server that does not answer within 10 s, or says nothing, is left', async () => {
  const client = await start();
  attach(client, 'new');
  clock.tick(9999);
  assert.equal(client.live.attached, true);
  clock.tick(1);
  const [, [type, detached]] = client.told();
  assert.deepEqual([type, detached.cause, detached.attempt], ['detached', 'heartbeat', 0]);
  assert.notEqual(client.sockets(), 0);
  clock.tick(500);
  attach(client, 'resumed');
  const [{ t0 }] = client.socket.beats();
  client.socket.control({ op: 'hb', t0, t1: t0, t2: t0, rt: 'newer' });
  clock.tick(25_000);
  clock.tick(10_000);
  assert.equal(client.told().at(-1)[1].cause, 'heartbeat');
  clock.tick(500);
  assert.equal(client.socket.open().rt, 'newer');
  clock.tick(10_000);
  assert.equal(client.told().at(-1)[1].cause, 'network', 'the welcome did not come');
});

test('a text that looks like a frame of the contract passes both ways', async () => {
  const client = await start();
  attach(client, 'new');
  client.socket.beats();
  client.socket.say(`${MARK}${MARK}{"op":"hb"}`);
  client.socket.onmessage({ data: new Uint8Array([0x1e]).buffer });
  const [text, bytes] = client.messages();
  assert.equal(text, `${MARK}{"op":"hb"}`);
  assert.deepEqual(new Uint8Array(bytes), new Uint8Array([0x1e]));
  client.live.send(`${MARK}x`);
  assert.deepEqual(client.socket.sent.splice(0), [`${MARK}${MARK}x`]);
});

test('the wait doubles up to the cap, and a server that asks for time gets it', async () => {
  const client = await start();
  const waits = [];
  const lose = (code, reason) => {
    client.socket.closed(code, reason);
    const { retryIn, attempt } = client.told().at(-1)[1];
    waits.push(retryIn);
    clock.tick(retryIn);
    return attempt;
  };
  attach(client, 'new');
  assert.equal(lose(1006), 0);
  for (const attempt of [1, 2, 3, 4, 5, 6, 7]) assert.equal(lose(1006), attempt);
  lose(1012, 'k=drain;ra=5000');
  lose(1013, 'k=overload;ra=8000');
  assert.deepEqual(waits, [500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000, 5500, 8800]);
  attach(client, 'resumed', 0, { retry: { base: 100, cap: 200, spread: 60_000 } });
  const [{ t0 }] = client.socket.beats();
  client.socket.control({ op: 'hb', t0 });
  clock.tick(5000);
  client.told();
  lose(1006);
  lose(1006);
  assert.deepEqual(waits.slice(-2), [60_000, 200]);
});

test('it stays away when the server says so', async () => {
  for (const [code, reason, why] of [
    [1000, 'k=superseded', 'superseded'],
    [1008, 'k=revoked', 'revoked'],
    [1000, '', 'closed'],
    [4001, 'bye', 'closed'],
  ]) {
    const storage = fakeStorage();
    const client = await start({ storage });
    attach(client, 'new');
    assert.ok(storage.value);
    client.socket.closed(code, reason);
    assert.deepEqual(client.told().at(-1), ['ended', { why, code, reason }]);
    clock.tick(1_000_000);
    assert.equal(client.sockets(), 1);
    assert.equal(client.live.send('x'), false);
    assert.equal(storage.value, null);
  }
});

test('nonsense is not taken up again', async () => {
  for (const nonsense of [`${MARK}{`, `${MARK}[]`, `${MARK}{"op":"hb","x":"${'x'.repeat(5000)}"}`]) {
    const client = await start();
    attach(client, 'new');
    client.socket.say(nonsense);
    assert.equal(client.socket.left.code, 3002);
    assert.equal(client.told().at(-1)[1].cause, 'error');
    clock.tick(500);
    assert.equal('rt' in client.socket.open(), false);
    client.socket.say('not a welcome');
    assert.equal(client.told().at(-1)[1].cause, 'error');
    client.live.close();
  }
});

test('a server that resumes nothing is served plainly', async () => {
  const client = await start();
  client.socket.open();
  client.socket.say({ op: 'welcome', sid: '5f' });
  assert.equal(client.told()[0][1].state, 'plain');
  client.socket.say(`${MARK}as it is`);
  client.live.send(`${MARK}x`);
  assert.deepEqual(client.messages(), [`${MARK}as it is`]);
  assert.deepEqual(client.socket.sent.splice(0), [`${MARK}x`]);
});

test('what is sent while away waits in order, and not without bound', async () => {
  const client = await start({ maxQueue: 2 });
  assert.deepEqual(['1', '2', '3'].map((text) => client.live.send(text)), [true, true, false]);
  attach(client, 'new');
  const [confirm, ...rest] = client.socket.sent.splice(0);
  assert.equal(JSON.parse(confirm.slice(1)).seq, 0);
  assert.deepEqual(rest, ['1', '2']);
});

test('it gives up when it is told to, and when it is closed', async () => {
  const client = await start({ maxAttempts: 2 });
  client.socket.closed();
  clock.tick(500);
  client.socket.closed();
  assert.deepEqual(client.told().at(-1), ['ended', { why: 'gave up' }]);
  const other = await start();
  attach(other, 'new');
  other.socket.say('1');
  other.socket.beats();
  other.live.close();
  assert.deepEqual(other.socket.beats(), [{ op: 'hb', seq: 1 }], 'what was handed over is not lost');
  assert.equal(other.socket.left.code, 1000);
  assert.deepEqual(other.told().at(-1), ['ended', { why: 'here' }]);
  other.socket.closed(1000);
  clock.tick(1_000_000);
  assert.equal(other.sockets(), 1);
});

test('a page that was reloaded resumes from its storage, and a broken storage stops nothing', async () => {
  const storage = fakeStorage();
  const client = await start({ storage });
  attach(client, 'new');
  client.socket.say('1');
  const again = await start({ storage });
  const { rt, seq } = again.socket.open();
  assert.deepEqual({ rt, seq }, { rt: 'after-new-0', seq: 1 });
  const throws = () => { throw new Error('no'); };
  const broken = await start({ storage: { getItem: throws, setItem: throws, removeItem: throws } });
  attach(broken, 'new');
  broken.socket.say('1');
  assert.deepEqual(broken.messages(), ['1']);
  for (const value of ['{', 'null', '{"rt":1,"seq":2}']) {
    const odd = await start({ storage: { ...fakeStorage(), getItem: () => value } });
    assert.equal('rt' in odd.socket.open(), false);
  }
});

function fakeStorage(value) {
  return {
    value: value ? JSON.stringify(value) : null,
    getItem() { return this.value; },
    setItem(_, text) { this.value = text; },
    removeItem() { this.value = null; },
  };
}
