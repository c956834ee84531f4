// A WebSocket whose session outlives its connections: the browser's side of the contract wsobs.v1.
//
// The token goes out in the first frame only: never in a URL or a subprotocol, where it would be
// logged. It is kept in memory, or in a storage that the application gives.

const MARK = '\u001e';
const CONTRACT = 'wsobs.v1';
const MAX_CONTROL = 4096;
const TRACEPARENT = /^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$/;

/** When the first message that is not acknowledged must be, and when a heartbeat must be answered. */
const ACK_WITHIN = 1000;
const ANSWER_WITHIN = 10_000;

/** A connection that lasts this long has held: the next waits are short again. */
const HELD = 5000;

/** No server makes a client wait longer, or come back faster. */
const LONGEST = 15 * 60_000;
const SHORTEST = 10;

/** The states in which a session goes on, and those in which the server takes nothing up again. */
const GOES_ON = new Set(['resumed', 'replayed', 'resynced', 'conflict']);
const POISONED = new Set([1002, 1003, 1007, 1009, 1010]);

const CONNECTING = 0;
const OPEN = 1;

const clamp = (value, least, most) => Math.min(most, Math.max(least, value));
const number = (value, otherwise) => (Number.isFinite(value) && value >= 0 ? value : otherwise);
const u32 = (value) => value >>> 0;

/** How many numbers lie after `earlier` up to `later`, wrapping (RFC 1982); negative if it is ahead. */
const since = (later, earlier) => (later - earlier) | 0;

/** Reads `k=drain;ra=5000`. */
function parseReason(text) {
  const reason = {};
  for (const part of text.split(';')) {
    const at = part.indexOf('=');
    const [key, value] = [part.slice(0, at), part.slice(at + 1)];
    if (key === 'k') reason.kind = value;
    if (key === 'ra' && /^\d+$/.test(value)) reason.after = Number(value);
  }
  return reason;
}

/** Why a close frame means that the client stays away; undefined when it is to come back. */
function ending(code, { kind }) {
  if (kind === 'superseded' || kind === 'revoked') return kind;
  const isFinal = [1000, 1008, 3000, 3003].includes(code) || (code >= 4000 && code <= 4999);
  return isFinal ? 'closed' : undefined;
}

function parse(json) {
  try {
    const value = JSON.parse(json);
    return typeof value?.op === 'string' ? value : undefined;
  } catch {
    return undefined;
  }
}

/**
 * Opens a session and keeps it. Events: `attached`, `message`, `detached`, `ended`, `roundtrip`;
 * see the types for what they carry.
 */
export class CampanileSocket extends EventTarget {
  #url;
  #options;
  #socket = null;
  #phase = 'waiting';
  /** What is known of the session: { rt, seq }, seq being the last message handed over. */
  #known = null;
  #received = 0;
  #acked = 0;
  #unacked = 0;
  #ack = 64;
  #hb = 25_000;
  #askedAt = 0;
  #heardAt = 0;
  #heardWall = 0;
  #attachedAt = 0;
  #negotiated = false;
  #timers = new Map();
  #queue = [];
  #failed = 0;
  #waits = 0;
  #retry;
  #after;
  #mayHurry = true;
  #awaySince = 0;

  constructor(url, options = {}) {
    super();
    this.#url = url;
    this.#options = {
      protocols: [], binaryType: 'arraybuffer', connectTimeout: 10_000, maxQueue: 64,
      maxAttempts: Infinity, giveUpAfter: Infinity, random: Math.random, now: () => performance.now(),
      WebSocket: globalThis.WebSocket, storageKey: 'campanile-ws', ...options,
    };
    this.#retry = { base: 500, cap: 30_000, spread: 0, ...options.backoff };
    this.#known = this.#load();
    // Listeners are added first.
    queueMicrotask(() => this.#phase === 'waiting' && this.#dial());
    globalThis.addEventListener?.('online', this.#hurry);
  }

  /** Whether there is a connection now, as far as is known. */
  get attached() {
    return this.#phase === 'attached';
  }

  /** Sends text or bytes: at once, or when there is a connection again. False: not taken. */
  send(data) {
    if (this.#phase === 'ended') return false;
    if (this.attached) {
      this.#write(data);
      return true;
    }
    if (this.#queue.length >= this.#options.maxQueue) return false;
    this.#queue.push(data);
    return true;
  }

  /** Ends the session with code 1000. The server does not keep it. */
  close() {
    if (this.#phase === 'ended') return;
    const socket = this.#socket;
    // What was handed over is not lost.
    if (this.attached && this.#negotiated) this.#say();
    this.#end({ why: 'here' });
    socket?.close(1000);
  }

  /* one connection */

  #dial() {
    const { WebSocket, protocols, traceparent, connectTimeout, binaryType } = this.#options;
    this.#phase = 'dialling';
    this.#negotiated = false;
    const named = typeof traceparent === 'function' ? traceparent() : traceparent;
    const said = TRACEPARENT.test(named) ? named : undefined;
    const url = typeof this.#url === 'function' ? this.#url() : this.#url;
    let socket;
    try {
      socket = new WebSocket(url, [...protocols, CONTRACT, ...(said ? ['wsobs.tp.' + said] : [])]);
    } catch (error) {
      this.#end({ why: 'refused', error });
      return;
    }
    this.#socket = socket;
    socket.binaryType = binaryType;
    // What a socket that was given up still says is not heard.
    const mine = (then) => (event) => this.#socket === socket && then(event);
    socket.onopen = mine(() => {
      const hello = { op: 'hello', seq: this.#known?.seq ?? 0, t0: Date.now() };
      if (said) hello.tp = said;
      if (this.#known?.rt) {
        hello.rt = this.#known.rt;
        hello.attempt = this.#failed + 1;
        if (this.#heardWall) hello.gap_ms = Math.max(0, Math.round(Date.now() - this.#heardWall));
      }
      socket.send(JSON.stringify(hello));
    });
    socket.onmessage = mine(({ data }) => this.#receive(data));
    socket.onclose = mine(({ code, reason }) => this.#closed(code, parseReason(reason ?? ''), reason ?? ''));
    socket.onerror = () => {};
    this.#timer('connect', connectTimeout, () => this.#drop('network'));
  }

  #receive(data) {
    this.#heardAt = this.#options.now();
    this.#heardWall = Date.now();
    if (this.#phase === 'dialling') {
      this.#welcome(data);
    } else if (!this.#negotiated || typeof data !== 'string' || data[0] !== MARK) {
      this.#message(data);
    } else if (data[1] === MARK) {
      this.#message(data.slice(1));
    } else {
      this.#control(data);
    }
  }

  #welcome(data) {
    const welcome = typeof data === 'string' ? parse(data) : undefined;
    if (welcome?.op !== 'welcome') {
      this.#break(3002, 'welcome expected');
      return;
    }
    this.#timer('connect');
    const before = this.#known;
    const { sid, state = 'plain', rt, retry } = welcome;
    const [n, lost] = [number(welcome.n, 0), number(welcome.lost, 0)];
    this.#negotiated = rt !== undefined && welcome.from !== undefined;
    const goesOn = this.#negotiated && Boolean(before?.rt) && GOES_ON.has(state);
    const handed = goesOn ? before.seq : 0;
    this.#received = u32(number(welcome.from, handed));
    // What is sent again although we have it is left out. A server that is further behind than
    // that has another stream.
    const behind = since(handed, this.#received);
    const isKnown = goesOn && behind >= 0 && behind <= n;
    const hasGap = goesOn && (!isKnown || lost > 0 || state === 'resynced');
    this.#known = this.#negotiated ? { rt, seq: isKnown ? handed : this.#received } : null;
    this.#acked = this.#known?.seq ?? 0;
    this.#ack = Math.max(1, number(welcome.ack, 64));
    this.#hb = 1000 * clamp(number(welcome.hb, 25), 1, 3600);
    if (retry) {
      const base = clamp(number(retry.base, 500), SHORTEST, LONGEST);
      this.#retry = { base, cap: clamp(number(retry.cap, 30_000), base, LONGEST), spread: Math.min(LONGEST, number(retry.spread, 0)) };
    }
    this.#save();
    this.#phase = 'attached';
    this.#attachedAt = this.#heardAt;
    const detail = {
      sid, lost, replayed: hasGap || !goesOn ? 0 : n,
      state: this.#standing(goesOn, hasGap, n),
      result: before?.rt ? state : undefined,
      mustLoad: !goesOn || hasGap,
      away: this.#awaySince ? this.#heardAt - this.#awaySince : 0,
    };
    this.#awaySince = 0;
    if (this.#negotiated) this.#beat();
    const queued = this.#queue.splice(0);
    this.#tell('attached', detail);
    for (const data of queued) this.send(data);
  }

  #standing(goesOn, hasGap, n) {
    if (!this.#negotiated) return 'plain';
    if (!goesOn) return 'new';
    if (hasGap) return 'resynced';
    return n > 0 ? 'replayed' : 'resumed';
  }

  #message(data) {
    if (this.#negotiated) {
      this.#received = u32(this.#received + 1);
      if (!this.#hand()) return;
    }
    this.#tell('message', data);
  }

  /** Notes that everything received is handed over; false when it was before. */
  #hand() {
    if (since(this.#received, this.#known.seq) <= 0) return false;
    this.#known.seq = this.#received;
    this.#save();
    if (since(this.#known.seq, this.#acked) >= this.#ack) this.#say();
    else if (!this.#timers.has('ack')) this.#timer('ack', ACK_WITHIN, () => this.#say());
    return true;
  }

  #control(data) {
    const control = parse(data.slice(1));
    if (data.length > MAX_CONTROL || !control) {
      // Codes below 3000 are not a browser's to send.
      this.#break(3002, 'control frame');
      return;
    }
    if (control.op === 'hb') {
      if (typeof control.rt === 'string') {
        this.#known.rt = control.rt;
        this.#save();
      }
      if (Number.isFinite(control.t0) && this.#askedAt) {
        const { t0, t1, t2 } = control;
        const ms = this.#heardAt - this.#askedAt;
        const offset = Number.isFinite(t1) && Number.isFinite(t2) ? (t1 + t2) / 2 - (t0 + ms / 2) : undefined;
        this.#askedAt = 0;
        this.#timer('answer');
        this.#tell('roundtrip', { ms, offset });
      }
    } else if (control.op === 'skip') {
      this.#received = u32(this.#received + Math.min(number(control.n, 0), 2 ** 30));
      this.#hand();
    }
  }

  /** Acknowledges what the application has, and asks for an answer if it is time. */
  #say(asks = false) {
    const control = { op: 'hb', seq: this.#known.seq };
    if (asks) control.t0 = Date.now();
    this.#acked = this.#known.seq;
    this.#timer('ack');
    if (this.#socket?.readyState === OPEN) this.#socket.send(MARK + JSON.stringify(control));
  }

  #beat() {
    const now = this.#options.now();
    if (now - this.#heardAt >= 2 * this.#hb) {
      this.#drop('heartbeat');
      return;
    }
    const asks = !this.#askedAt;
    if (asks) {
      this.#askedAt = now;
      this.#timer('answer', ANSWER_WITHIN, () => this.#drop('heartbeat'));
    }
    this.#say(asks);
    this.#timer('beat', this.#hb, () => this.#beat());
  }

  #write(data) {
    const isMarked = this.#negotiated && typeof data === 'string' && data[0] === MARK;
    if (this.#socket?.readyState === OPEN) this.#socket.send(isMarked ? MARK + data : data);
  }

  /* its end, and the next one */

  /** The server breaks the contract: its session is left alone, as it would break the next one. */
  #break(code, reason) {
    const socket = this.#leave();
    this.#forget();
    this.#away('error');
    socket.close(code, reason);
  }

  /** Gives a socket up that may be dead: its close may take long to arrive, or never does. */
  #drop(cause) {
    const socket = this.#leave();
    this.#away(cause);
    socket.close();
  }

  #closed(code, reason, text) {
    this.#leave();
    const why = ending(code, reason);
    if (why) {
      this.#end({ why, code, reason: text });
      return;
    }
    if (POISONED.has(code)) this.#forget();
    this.#after = reason.after === undefined ? undefined : Math.min(LONGEST, reason.after);
    this.#away(reason.kind ?? (code === 1012 || code === 1001 ? 'drain' : 'network'), code);
  }

  #leave() {
    const socket = this.#socket;
    this.#socket = null;
    for (const name of [...this.#timers.keys()]) this.#timer(name);
    this.#askedAt = 0;
    if (this.#phase === 'attached') {
      if (this.#options.now() - this.#attachedAt >= HELD) this.#failed = this.#waits = 0;
    } else {
      this.#failed += 1;
    }
    return socket;
  }

  #away(cause, code) {
    this.#phase = 'waiting';
    const now = this.#options.now();
    this.#awaySince ||= now;
    const retryIn = this.#wait();
    const { maxAttempts, giveUpAfter } = this.#options;
    if (this.#failed >= maxAttempts || now - this.#awaySince + retryIn >= giveUpAfter) {
      this.#end({ why: 'gave up' });
      return;
    }
    this.#timer('retry', retryIn, () => this.#dial());
    this.#tell('detached', { cause, code, attempt: this.#failed, retryIn });
  }

  /** Full jitter, and not before the server wants it. */
  #wait() {
    const random = clamp(this.#options.random(), 0, 1);
    const attempt = this.#waits++;
    this.#mayHurry = this.#after === undefined;
    if (!this.#mayHurry) {
      const after = this.#after;
      this.#after = undefined;
      return after * (1 + random / 10);
    }
    const { base, cap, spread } = this.#retry;
    return random * (attempt === 0 ? Math.max(base, spread) : Math.min(cap, base * 2 ** Math.min(attempt, 20)));
  }

  /** The network is back: there is no need to wait any longer, unless the server asked for it. */
  #hurry = () => {
    if (this.#timers.has('retry') && this.#failed > 0 && this.#mayHurry) {
      this.#timer('retry', this.#options.random() * this.#retry.base, () => this.#dial());
    }
  };

  #end(detail) {
    const socket = this.#socket;
    this.#leave();
    this.#phase = 'ended';
    this.#queue.length = 0;
    this.#forget();
    globalThis.removeEventListener?.('online', this.#hurry);
    if (socket?.readyState === CONNECTING) socket.close();
    this.#tell('ended', detail);
  }

  /* what is kept */

  #load() {
    try {
      const { rt, seq } = JSON.parse(this.#options.storage?.getItem(this.#options.storageKey));
      return typeof rt === 'string' && Number.isInteger(seq) ? { rt, seq: u32(seq) } : null;
    } catch {
      return null;
    }
  }

  #save() {
    const { storage, storageKey } = this.#options;
    try {
      if (this.#known) storage?.setItem(storageKey, JSON.stringify(this.#known));
      else storage?.removeItem(storageKey);
    } catch {
      // A storage that is full or forbidden costs a resume after a reload, nothing else.
    }
  }

  #forget() {
    this.#known = null;
    this.#save();
  }

  /** Starts a timer in the place of the one of that name, or just stops it. */
  #timer(name, ms, then) {
    clearTimeout(this.#timers.get(name));
    this.#timers.delete(name);
    if (!then) return;
    const run = () => {
      this.#timers.delete(name);
      then();
    };
    this.#timers.set(name, setTimeout(run, ms));
  }

  #tell(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}
