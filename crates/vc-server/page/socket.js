// The live connection: a session that outlives its sockets, and what the page says about it.

import { CampanileSocket } from './campanile-ws.js';

function address(author) {
  const url = new URL('/live', location.href);
  url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:';
  url.searchParams.set('author', author);
  return url;
}

/**
 * Keeps a connection for `author`, and tells `on`: open(attached), replayed(counts), event(data, again),
 * line(kind, ms), lost(), retry(attempt, seconds), ended(why).
 */
export function connect(author, on) {
  // A reloaded page goes on with its session; what was shown before, it reads anew.
  const live = new CampanileSocket(address(author), { storage: sessionStorage, storageKey: 'vc.live.' + author });
  let again = 0, countdown;

  live.addEventListener('attached', ({ detail }) => {
    clearTimeout(countdown);
    again = detail.replayed;
    on.open(detail);
  });

  live.addEventListener('message', ({ detail }) => {
    const isAgain = again > 0;
    again -= isAgain;
    on.event(JSON.parse(detail), isAgain);
  });

  live.addEventListener('detached', ({ detail: { attempt, retryIn } }) => {
    clearTimeout(countdown);
    if (attempt === 0) on.lost();
    const at = performance.now() + retryIn;
    const tick = () => {
      const left = at - performance.now();
      on.retry(attempt + 1, Math.max(0, Math.ceil(left / 1000)));
      if (left > 0) countdown = setTimeout(tick, Math.min(1000, left));
    };
    tick();
  });

  live.addEventListener('ended', ({ detail }) => {
    clearTimeout(countdown);
    on.ended(detail.why);
  });

  live.addEventListener('roundtrip', ({ detail }) => on.line('ok', detail.ms));

  return {
    send: (value) => live.attached && live.send(JSON.stringify(value)),
    close() {
      clearTimeout(countdown);
      live.close();
    },
  };
}
