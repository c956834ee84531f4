// The shell: routes, the bar and the rail, one snapshot, one stream, one draw.

import { h, ico, morph, put, repaint, st } from './dom.js';
import * as filter from './filter.js';
import { bytes, count, held, hms, isSmall, plural, safe } from './fmt.js';
import { help, keydown } from './keys.js';
import { Live, snapshot } from './live.js';
import { toast } from './toast.js';
import empty from './view-empty.js';

// A view is read when it is first looked at, so that a page never loads more script than it needs.
const VIEWS = { overview: () => import('./view-overview.js'), traces: () => import('./view-traces.js'), trace: () => import('./view-trace.js'), logs: () => import('./view-logs.js'), ws: () => import('./view-ws.js'), metrics: () => import('./view-metrics.js'), pipeline: () => import('./view-pipeline.js') };
const RAIL = [['overview', '/', 'Overview'], ['traces', '/traces', 'Traces'], ['logs', '/logs', 'Logs'], ['ws', '/ws', 'WebSocket'], ['metrics', '/metrics', 'Metrics'], ['pipeline', '/pipeline', 'Pipeline']];
const RANGES = [['5m', 'Last 5 min'], ['15m', 'Last 15 min'], ['1h', 'Last hour'], ['6h', 'Last 6 hours']];
const $ = id => document.getElementById(id);

/** What the views see: where we are, what is held, and how to move. */
export const page = {
  at: null, view: null, data: null, kept: null, ui: {}, paused: null, lost: null, stored: 0,
  go(href, replace) {
    const url = new URL(href, location.href);
    if (url.href === location.href) return;
    remember();
    history[replace ? 'replaceState' : 'pushState']({}, '', url);
    visit({});
  },
  /** The address of this view with `changes`; null removes. */
  link(changes, path = location.pathname) {
    const query = new URLSearchParams(location.search);
    for (const [key, value] of Object.entries(changes)) if (value == null || value === '') query.delete(key); else query.set(key, value);
    return path + (query.size ? '?' + query : '');
  },
  /** An address elsewhere that keeps the time range. */
  to: (path, query = {}) => page.link({ q: null, sort: null, span: null, find: null, fold: null, line: null, from: null, by: null, session: null, route: null, ...query }, path),
  filterBy(token) {
    page.go(page.link({ q: [...filter.split(page.at.q).filter(t => t !== token), token].join(' ') }));
  },
  draw, reload: () => load({ quiet: true }),
};

// An address that somebody mistyped cannot always be decoded.
function decoded(text) {
  try { return decodeURIComponent(text); } catch { return text; }
}

function parse() {
  const [, head = '', ...rest] = location.pathname.split('/'), query = new URLSearchParams(location.search), tail = decoded(rest.join('/'));
  let view = head || 'overview';
  if (view === 'traces' && tail) view = 'trace';
  return { view: VIEWS[view] ? view : 'overview', id: tail, q: query.get('q') || '', t: query.get('t') || '15m', get: key => query.get(key) };
}

/** The part of the query that snapshot and stream share. */
function question() {
  const { view, id, q, t } = page.at, extra = page.view.query?.(page.at) || {};
  return new URLSearchParams(Object.entries({ view, id, q, t, ...extra }).filter(([, value]) => value));
}

let asked = null;
async function load({ quiet, state } = {}) {
  asked?.abort();
  const mine = asked = new AbortController();
  if (!quiet) live.close();
  try {
    page.view ||= (await VIEWS[page.at.view]()).default;
    if (mine !== asked) return;
    const data = await snapshot('/api/view?' + question(), mine.signal);
    if (mine !== asked) return;
    keep(data);
    page.data = data;
    page.view.loaded?.(page, data);
    draw();
    if (state) restore(state);
    if (!page.paused) { const query = question(); query.set('cursor', data.cursor); live.open(query); }
  } catch (error) {
    if (error.name === 'AbortError') return;
    status('lost', '');
    if (!page.data) { page.failed = String(error.message); draw(); }
    setTimeout(() => mine === asked && load({ quiet: true }), 3000);
  }
}

function keep(data) {
  page.now = data.now;
  page.kept = data.kept;
  page.skew = data.now - Date.now();
}

function status(state, words) {
  const lost = state === 'lost' ? words || 'The connection to this page\u2019s server is interrupted. It is tried again by itself.' : null;
  if (lost === page.lost) return;
  page.lost = lost;
  if (words) toast('stream', words, '', null);
  draw();
}

const live = new Live({
  hello() { status('live'); },
  delta(d) {
    status('live');
    const first = !page.kept.arrived;
    keep(d);
    if (first && page.kept.arrived) { load({ quiet: true }); return; }
    if (page.paused) { draw(); return; }
    page.view.delta(page, d);
    draw();
  },
  gap(d) {
    if (d.why === 'client_slow') toast('gap', `${plural(d.rows, 'row')} arrived faster than this page draws`, 'They are stored and searchable; the list skipped ahead. Nothing was lost.', '/pipeline', d.rows);
    load({ quiet: true });
  },
  state: status,
  stale: () => load({ quiet: true }),
});

/* ---------- where we are ---------- */
function remember() {
  const focus = document.activeElement?.closest('[data-row]')?.$key;
  history.replaceState({ ...history.state, y: scrollY, focus }, '');
}

function restore(state) {
  paint();
  scrollTo(0, state.y || 0);
  paint();
  const find = () => [...document.querySelectorAll('[data-row]')].find(el => el.$key === state.focus);
  const { rows, id } = page.ui, list = $('list'), at = state.focus && list && rows ? rows.findIndex(r => String(r[id]) === state.focus) : -1;
  // Newer rows may have pushed it out of the window that is drawn.
  if (at >= 0 && !find()) { scrollTo(0, list.getBoundingClientRect().top + scrollY + list.clientHeight * at / rows.length - innerHeight / 2); paint(); }
  if (state.focus) find()?.focus({ preventScroll: true });
}

function visit(state) {
  const was = page.at;
  page.at = parse();
  const moved = !was || was.view !== page.at.view || was.id !== page.at.id;
  if (moved) {
    page.view = page.data = null;
    page.failed = null;
    page.ui = {};
    morph($('body'), []);
    if (!state.y) scrollTo(0, 0);
    draw();
    if (was) $('view').focus({ preventScroll: true });
  }
  load({ state: state.y != null ? state : null });
}

addEventListener('popstate', e => visit(e.state || {}));
addEventListener('click', e => {
  const a = e.target.closest?.('a[href]');
  if (!a || e.defaultPrevented || e.button || e.metaKey || e.ctrlKey || e.shiftKey || a.origin !== location.origin || a.pathname.startsWith('/api/') || a.getAttribute('href').startsWith('#')) return;
  e.preventDefault();
  page.go(a.href);
});

/* ---------- draw ---------- */
let drawn = false, scrolled = '';
export function draw() {
  if (drawn) return;
  drawn = true;
  requestAnimationFrame(() => { drawn = false; paint(); });
}

let spoken = { at: 0, text: '' };
function paint() {
  const { view, data } = page;
  morph($('nav'), nav());
  morph($('kept'), kept());
  if (isSmall() && scrolled !== page.at.view) { scrolled = page.at.view; $('nav').querySelector('[aria-current]')?.scrollIntoView({ inline: 'center', block: 'nearest' }); }
  if (!view) return;
  document.title = view.title(page) + ' · Campanile';
  morph($('top'), view.top ? view.top(page) : top(view));
  filter.refresh();
  if (!data) {
    if (page.failed) morph($('verdict'), [h('h1', 'This view could not be read.'), h('p', safe(page.failed))]);
    return;
  }
  const nothing = !page.kept.arrived && view.needsData !== false;
  verdict(nothing ? null : data.verdict, view.aside?.(page, data));
  morph($('body'), nothing ? empty.body(page) : [problems(data), noMatch(data), view.body(page, data)]);
}

function verdict(v, aside) {
  const one = v ? rich(v.one) : [], text = one.map(n => n.textContent ?? n).join('');
  // Spoken at most once in 10 s: between two turns the region keeps still for screen readers.
  const live = $('verdict');
  if (text !== spoken.text) {
    live.setAttribute('aria-live', Date.now() - spoken.at > 10_000 ? 'polite' : 'off');
    spoken = { at: Date.now(), text };
  }
  live.hidden = !v;
  morph(live, v ? [h('h1', one), h('p', rich(v.two), aside)] : []);
}

/** A sentence from the server: `[kind, text, href]` each. */
export const rich = parts => parts.map(([kind, text, href]) =>
  kind === 'a' ? h('a', { href }, safe(text)) : kind === 'em' ? h('em', safe(text)) : kind === 'err' || kind === 'warn' ? st(kind, safe(text))
    : kind === 'time' ? h('time', { title: new Date(+text).toISOString() }, hms(+text)) : kind === 'code' ? h('code', safe(text)) : safe(text));

function problems(data) {
  return (data.filter?.problems || []).map(p => h('p.remedy', { role: 'status' }, st('warn', h('code', safe(p.token))), ' ', p.message, p.fix && [' ', h('button.btn.mini-b', { on: { click: () => page.go(page.link({ q: filter.split(page.at.q).map(t => t === p.token ? p.fix : t).join(' ') })) } }, 'Use ', h('code', safe(p.fix)))]));
}

function noMatch(data) {
  const none = data.filter?.none;
  if (!none) return null;
  return h('section.panel.nomatch', h('div.body', h('p', h('b', 'Nothing matches '), h('code', safe(page.at.q)), '.'),
    none.map(n => h('p', 'Dropping ', h('code', safe(n.token)), ` would show ${count(n.count)}. `, n.count > 0 && h('a', { href: page.link({ q: filter.split(page.at.q).filter(t => t !== n.token).join(' ') }) }, 'Drop it'))),
    h('p', h('a', { href: page.link({ q: null }) }, 'Clear the filter'))));
}

function nav() {
  const at = page.at.view === 'trace' ? 'traces' : page.at.view, badge = page.kept?.badges || {};
  return RAIL.filter(([view]) => !page.kept?.rail || page.kept.rail.includes(view)).map(([view, path, name]) => h('a', { href: page.to(path), key: view, 'aria-current': at === view ? 'page' : null }, ico(view), name, badge[view] && h('span.n', st(badge[view][0], count(badge[view][1])))));
}

function kept() {
  const k = page.kept;
  if (!k) return [];
  if (!k.arrived) return [h('span', h('b', 'Nothing held yet'))];
  return [h('span', { title: 'since ' + hms(k.since) }, h('b', held(page.now - k.since)), ` held, ${plural(k.spans, 'span')}`), h('div.bar', { css: { '--w': Math.min(100, k.bytes / k.max * 100) + '%' } }, h('i')), h('span', `${bytes(k.bytes)} of ${bytes(k.max)}, `, h('a', { href: '/pipeline' }, k.refused ? count(k.refused) + ' refused' : k.evicted ? count(k.evicted) + ' left' : '0 lost'))];
}

export function liveButton() {
  const since = page.paused && `Paused at ${hms(page.paused.at)}. ${count(Math.max(0, (page.kept?.arrived || 0) - page.paused.arrived))} arrived since.`;
  return h('button.btn.live', { key: 'live', id: 'live', 'aria-pressed': String(!!page.paused), title: since || (page.lost ?? 'Pause the page (Space). Telemetry keeps arriving.'), 'data-state': page.lost ? 'lost' : 'live', on: { click: pause } }, h('i'), h('span', page.paused ? (isSmall() ? 'Paused' : since) : page.lost ? 'Not live' : 'Live'));
}

function top(view) {
  const range = RANGES.find(([t]) => t === page.at.t)?.[1] || page.at.t.split('..').map(t => +t ? hms(+t) : t).join(' to ');
  return [
    view.hint ? filter.bar({ q: page.at.q, view: page.at.view, hint: view.hint, problems: page.data?.filter?.problems, change: (q, push) => page.go(page.link({ q }), !push) }) : h('div', { key: 'fill', css: { flex: 1 } }),
    h('button.btn.hide-s', { key: 'range', id: 'range', 'aria-haspopup': 'menu', on: { click: ranges } }, ico('wait'), range),
    liveButton(),
    h('button.btn.ico.hide-s', { key: 'theme', 'aria-label': 'Change theme', title: 'Theme (t)', on: { click: theme } }, ico('moon')),
    h('button.btn.ico.hide-s', { key: 'help', 'aria-label': 'Keys', title: 'Keys (?)', on: { click: () => help() } }, '?')];
}

function ranges() {
  const at = $('range').getBoundingClientRect(), close = () => { morph($('float'), []); $('range')?.focus(); };
  morph($('float'), [h('div.menu.pick', { role: 'menu', css: { top: at.bottom + 4 + 'px', right: innerWidth - at.right + 'px' }, on: { keydown: e => {
    const items = [...e.currentTarget.querySelectorAll('button')], i = items.indexOf(document.activeElement);
    if (e.key === 'Escape') close(); else if (e.key === 'ArrowDown') items[(i + 1) % items.length].focus(); else if (e.key === 'ArrowUp') items.at(i - 1).focus(); else return;
    e.preventDefault(); e.stopPropagation();
  }, focusout: e => { if (!e.currentTarget.contains(e.relatedTarget)) morph($('float'), []); } } },
    RANGES.map(([t, name]) => h('button', { role: 'menuitemradio', 'aria-checked': String(t === page.at.t), on: { click: () => { close(); page.go(page.link({ t: t === '15m' ? null : t })); } } }, name)))]);
  $('float').querySelector('[aria-checked=true], button').focus();
}

export function theme() {
  const root = document.documentElement, dark = root.dataset.theme ? root.dataset.theme === 'dark' : matchMedia('(prefers-color-scheme: dark)').matches;
  root.dataset.theme = dark ? 'light' : 'dark';
  try { localStorage.setItem('campanile.theme', root.dataset.theme); } catch { /* only this visit, then */ }
  repaint();
}

export function pause() {
  page.paused = page.paused ? null : { at: page.now, arrived: page.kept?.arrived || 0 };
  if (page.paused) draw(); else load({ quiet: true });
}

export async function copy(text, said) {
  try { await navigator.clipboard.writeText(text); toast('copy', said, '', null); } catch { toast('copy', 'The browser did not allow copying.', text, null); }
}

addEventListener('keydown', e => page.view && keydown(e, page, page.view));
// A page kept aside by the browser would keep its seat at the stream.
addEventListener('pagehide', () => live.close());
addEventListener('pageshow', e => e.persisted && load({ quiet: true }));
addEventListener('scroll', () => draw(), { passive: true });
addEventListener('resize', () => { draw(); repaint(); });
matchMedia('(prefers-color-scheme: dark)').addEventListener('change', repaint);
history.scrollRestoration = 'manual';
visit(history.state || {});
