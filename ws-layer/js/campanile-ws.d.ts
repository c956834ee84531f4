/** What is sent and received: text, or bytes as `binaryType` says. */
export type Data = string | ArrayBuffer | ArrayBufferView | Blob;

export interface Options {
  /** Subprotocols of the application's own; `wsobs.v1` is offered behind them. */
  protocols?: string[];
  /** The span that the session links to, as W3C Trace Context writes it; asked for at each attempt. */
  traceparent?: string | (() => string | undefined);
  /** Keeps token and position, so that a reloaded page resumes: `sessionStorage`. Default: memory only. */
  storage?: Pick<Storage, 'getItem' | 'setItem' | 'removeItem'>;
  /** The key in `storage`. Default: `campanile-ws`. Choose one for each endpoint and user. */
  storageKey?: string;
  /** Default: `arraybuffer`. */
  binaryType?: 'arraybuffer' | 'blob';
  /** How long an attempt may take, up to the welcome, in ms. Default: 10,000. */
  connectTimeout?: number;
  /** How many messages wait to be sent while there is no connection. Default: 64. */
  maxQueue?: number;
  /** Give up after so many attempts in a row. Default: never. */
  maxAttempts?: number;
  /** Give up after so many ms without a connection. Default: never. */
  giveUpAfter?: number;
  /** How to come back, in ms, until a server's welcome says otherwise. Default: 500, 30,000, 0. */
  backoff?: Partial<{ base: number; cap: number; spread: number }>;
  /** For tests: numbers from 0 to 1, a clock in ms, another WebSocket. */
  random?: () => number;
  now?: () => number;
  WebSocket?: new (url: string | URL, protocols?: string[]) => WebSocket;
}

/** There is a connection. */
export interface Attached {
  /** The public id of the session, as in the server's telemetry. */
  sid: string;
  /**
   * `new`: it begins. `resumed`: it goes on, nothing had been missed. `replayed`: what had been
   * missed comes now. `resynced`: it goes on with a gap. `plain`: the server does not resume it.
   */
  state: 'plain' | 'new' | 'resumed' | 'replayed' | 'resynced';
  /** What the server made of the token, where there was one: `expired`, `conflict`, ... */
  result?: string;
  /** Something may have been missed: load what the application shows anew. */
  mustLoad: boolean;
  /** How many messages are sent again. */
  replayed: number;
  /** How many messages are known to be lost. */
  lost: number;
  /** How long there was no connection, in ms. */
  away: number;
}

/** The connection was lost, or an attempt failed. */
export interface Detached {
  /** `network`, `heartbeat`, `drain`, `overload`, `error`. */
  cause: string;
  /** The close code, where the server closed. */
  code?: number;
  /** How many attempts have failed; 0 when the connection was just lost. */
  attempt: number;
  /** When the next attempt begins, in ms. */
  retryIn: number;
}

/** It is over. Nothing follows. */
export interface Ended {
  why: 'here' | 'closed' | 'superseded' | 'revoked' | 'refused' | 'gave up';
  code?: number;
  reason?: string;
  error?: unknown;
}

/** A heartbeat was answered. */
export interface RoundTrip {
  /** There and back. */
  ms: number;
  /** How far the server's clock is ahead of this one, in ms, as far as is known. */
  offset?: number;
}

export interface Events {
  attached: CustomEvent<Attached>;
  /** Each message of the application once; `detail` is its data. */
  message: CustomEvent<string | ArrayBuffer | Blob>;
  detached: CustomEvent<Detached>;
  ended: CustomEvent<Ended>;
  roundtrip: CustomEvent<RoundTrip>;
}

/** A WebSocket whose session outlives its connections. The first attempt begins in a microtask. */
export class CampanileSocket extends EventTarget {
  /** `url` may be a function, asked at each attempt. */
  constructor(url: string | URL | (() => string | URL), options?: Options);
  /** Whether there is a connection now, as far as is known. */
  readonly attached: boolean;
  /** Sends text or bytes: at once, or when there is a connection again. False: not taken. */
  send(data: Data): boolean;
  /** Ends the session with code 1000. The server does not keep it; what waits is not sent. */
  close(): void;
  addEventListener<T extends keyof Events>(type: T, listener: (event: Events[T]) => void, options?: boolean | AddEventListenerOptions): void;
  removeEventListener<T extends keyof Events>(type: T, listener: (event: Events[T]) => void, options?: boolean | EventListenerOptions): void;
}
