// The live connection, and coming back after it broke.

const PATIENCE = 15000;
const PING_EVERY = 10000;
const SILENCE = 25000;

/** Keeps a connection for `author`, and tells `on`: open(again, ms, event), event(data), line(kind, text), lost(). */
export function connect(author, on) {
  let socket, attempt = 0, brokeAt = 0, heardAt = 0, pinging, retry, done = false;

  function open() {
    const url = new URL('/live', location.href);
    url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:';
    url.searchParams.set('author', author);
    socket = new WebSocket(url);
    socket.onmessage = ({ data }) => receive(JSON.parse(data));
    socket.onclose = broke;
    // A refused connection also closes; there is nothing to add here.
    socket.onerror = () => {};
  }

  function receive(event) {
    heardAt = performance.now();
    if (event.type === 'welcome') {
      const again = brokeAt > 0;
      on.open(again, again ? heardAt - brokeAt : 0);
      attempt = 0;
      brokeAt = 0;
      ping();
      clearInterval(pinging);
      pinging = setInterval(ping, PING_EVERY);
    } else if (event.type === 'pong') {
      on.line('ok', Math.max(0, heardAt - event.at));
    } else {
      on.event(event);
    }
  }

  function ping() {
    if (performance.now() - heardAt > SILENCE) socket.close();
    else send({ type: 'ping', at: performance.now() });
  }

  function broke() {
    clearInterval(pinging);
    if (done) return;
    if (!brokeAt) {
      brokeAt = performance.now();
      on.lost();
    }
    attempt += 1;
    // Full jitter: a server that comes back is not met by everyone at once.
    let wait = 250 + Math.random() * Math.min(PATIENCE, 500 * 2 ** attempt);
    const at = performance.now() + wait;
    const tick = () => {
      const left = at - performance.now();
      if (left <= 0) return open();
      on.retry(attempt, Math.ceil(left / 1000));
      retry = setTimeout(tick, Math.min(1000, left));
    };
    tick();
  }

  function send(value) {
    if (socket.readyState === WebSocket.OPEN) socket.send(JSON.stringify(value));
  }

  open();
  return {
    send,
    close() {
      done = true;
      clearTimeout(retry);
      clearInterval(pinging);
      socket.close(1000);
    },
  };
}
