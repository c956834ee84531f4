// A WebSocket whose server is the test, on a clock that the test moves.

import { mock } from 'node:test';
import { CampanileSocket } from '../campanile-ws.js';

export const MARK = '\u001e';

export class FakeSocket {
  static all = [];
  readyState = 0;
  sent = [];

  constructor(url, protocols) {
    Object.assign(this, { url: String(url), protocols });
    FakeSocket.all.push(this);
  }

  send(data) { this.sent.push(data); }

  close(code, reason) {
    this.readyState = 2;
    this.left = { code, reason };
  }

  /* what the server does */

  open() {
    this.readyState = 1;
    this.onopen({});
    return JSON.parse(this.sent.shift());
  }

  say(data) { this.onmessage({ data: typeof data === 'object' ? JSON.stringify(data) : data }); }

  control(control) { this.say(MARK + JSON.stringify(control)); }

  closed(code = 1006, reason = '') {
    this.readyState = 3;
    this.onclose({ code, reason });
  }

  /** The heartbeats that the client sent since the last look. */
  beats() { return this.sent.splice(0).map((text) => JSON.parse(text.slice(1))); }
}

/** A client, what it told, and its sockets. */
export async function start(options = {}) {
  FakeSocket.all = [];
  const live = new CampanileSocket('wss://example.com/live', {
    WebSocket: FakeSocket, random: () => 1, now: () => Date.now(), ...options,
  });
  const told = [];
  for (const type of ['attached', 'message', 'detached', 'ended', 'roundtrip']) {
    live.addEventListener(type, ({ detail }) => told.push([type, detail]));
  }
  await Promise.resolve();
  return {
    live,
    get socket() { return FakeSocket.all.at(-1); },
    sockets: () => FakeSocket.all.length,
    /** What was told since the last look; heartbeats' answers aside. */
    told: () => told.splice(0).filter(([type]) => type !== 'roundtrip'),
    messages: () => told.splice(0).filter(([type]) => type === 'message').map(([, data]) => data),
  };
}

export const welcome = (state, from = 0, more = {}) => ({
  op: 'welcome', sid: '5f', state, rt: `after-${state}-${from}`, from, n: 0, lost: 0, ttl: 120, hb: 25, ack: 64,
  retry: { base: 500, cap: 30_000, spread: 0 }, ...more,
});

/** Opens the newest socket and welcomes it. Returns the hello. */
export function attach(client, state, from, more) {
  const hello = client.socket.open();
  client.socket.say(welcome(state, from, more));
  return hello;
}

export const clock = {
  on: () => mock.timers.enable({ apis: ['setTimeout', 'Date'], now: 1_700_000_000_000 }),
  off: () => mock.timers.reset(),
  tick: (ms) => mock.timers.tick(ms),
};
