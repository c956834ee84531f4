// One stream a tab. Snapshots first, then small frames; a hidden tab lets go after 30 s.

const MAX_HIDDEN = 30_000;

export class Live {
  constructor(on) {
    this.on = on;
    this.source = null;
    document.addEventListener('visibilitychange', () => {
      clearTimeout(this.timer);
      if (document.hidden) this.timer = setTimeout(() => this.close('hidden'), MAX_HIDDEN);
      else if (this.why === 'hidden') this.on.stale();
    });
  }

  open(query) {
    this.close();
    if (document.hidden) { this.why = 'hidden'; return; }
    const url = '/api/stream?' + query, source = this.source = new EventSource(url);
    const hear = (name, f) => source.addEventListener(name, e => { if (source === this.source) f(JSON.parse(e.data)); });
    hear('hello', d => this.on.hello(d));
    hear('d', d => this.on.delta(d));
    hear('gap', d => this.on.gap(d));
    source.onopen = () => this.on.state('live');
    source.onerror = () => {
      if (source !== this.source) return;
      if (source.readyState !== EventSource.CLOSED) { this.on.state('lost'); return; }
      this.close();
      fetch(url, { headers: { accept: 'text/plain' }, signal: AbortSignal.timeout(2000) })
        .then(r => r.ok ? (r.body.cancel(), '') : r.text()).catch(() => '')
        .then(words => this.on.state('lost', words));
      this.timer = setTimeout(() => this.on.stale(), 5000);
    };
  }

  close(why) {
    clearTimeout(this.timer);
    this.why = why;
    this.source?.close();
    this.source = null;
  }
}

export async function snapshot(path, signal) {
  const response = await fetch(path, { signal, headers: { accept: 'application/json' } });
  const body = await response.json();
  if (!response.ok && !body.v) throw new Error(body.error || response.statusText);
  return body;
}
