// Where the time went: critical path, waterfall, and everything known about one span.

import { minimap } from './charts.js';
import { h, ico, num, panel, put, st, sw } from './dom.js';
import { clock, dur, isSmall, pct, plural, safe } from './fmt.js';
import { copy, liveButton } from './main.js';
import { records } from './list.js';
import { attributes } from './parts.js';

const MODES = [['', 'all'], ['2', '> 2 %'], ['e', 'errors'], ['c', 'critical']];

/** Children folded away, and what a mode hides: arrays, never elements. */
function visible(ui) {
  const { spans, closed, mode, total, finding } = ui, keep = new Array(spans.length).fill(!mode && !finding);
  if (mode || finding) for (let i = spans.length - 1; i >= 0; i--) {
    const s = spans[i];
    const wanted = finding ? s.hit : mode === '2' ? s.len > total * .02 : mode === 'e' ? s.err : s.cp.length > 0;
    if (wanted || i === 0) for (let j = i; j >= 0 && !keep[j]; j = parent(spans, j)) keep[j] = true;
  }
  const rows = [];
  for (let i = 0, depth = Infinity; i < spans.length; i++) {
    if (spans[i].d > depth || !keep[i]) continue;
    depth = closed.has(spans[i].id) ? spans[i].d : Infinity;
    rows.push(i);
  }
  return rows;
}

function parent(spans, i) {
  for (let j = i - 1; j >= 0; j--) if (spans[j].d < spans[i].d) return j;
  return -1;
}

const hasKids = (spans, i) => spans[i + 1]?.d > spans[i].d;

function select(page, i, focus = true) {
  const s = page.ui.spans[i];
  if (!s) return;
  for (let j = parent(page.ui.spans, i); j >= 0; j = parent(page.ui.spans, j)) page.ui.closed.delete(page.ui.spans[j].id);
  page.ui.sel = s.id;
  history.replaceState({ ...history.state, y: scrollY }, '', page.link({ span: s.id }));
  detail(page);
  page.draw();
  if (focus) requestAnimationFrame(() => requestAnimationFrame(() => document.getElementById('s' + s.id)?.focus()));
}

async function detail(page) {
  const { ui } = page, id = ui.sel;
  if (ui.detail?.id === id) return;
  try {
    const found = await (await fetch(`/api/traces/${page.at.id}/spans/${id}`)).json();
    if (ui.sel === id) { ui.detail = found; page.draw(); }
  } catch { /* the row still says what is known */ }
}

/** Moves among rows that `test` accepts, without wrapping. */
const jump = (test, by) => page => {
  const { spans, sel } = page.ui;
  for (let i = spans.findIndex(s => s.id === sel) + by; i >= 0 && i < spans.length; i += by) if (test(spans[i])) { select(page, i); return; }
};
const fold = shut => page => {
  const { ui } = page, i = ui.spans.findIndex(s => s.id === ui.sel);
  if (shut && !ui.closed.has(ui.sel) && hasKids(ui.spans, i)) ui.closed.add(ui.sel);
  else if (shut) { select(page, Math.max(0, parent(ui.spans, i))); return; } else ui.closed.delete(ui.sel);
  page.draw();
};
const linked = out => page => {
  const links = page.ui.detail?.links.filter(l => l[0] === out && l[1]);
  if (links?.length) page.go(links[0][1]);
};

let typing;
export default {
  title: page => 'Trace ' + page.at.id.slice(0, 8), needsData: false,
  query: at => ({ span: at.get('span'), find: at.get('find') }),
  loaded(page, d) {
    const { ui } = page, at = page.at.get('span');
    ui.spans = d.spans ? records(d.cols, d.spans) : [];
    ui.total = d.total;
    ui.closed ||= new Set();
    ui.mode ??= page.at.get('fold') || '';
    ui.finding = !!page.at.get('find');
    ui.sel = ui.spans.some(s => s.id === at) ? at : ui.spans.some(s => s.id === ui.sel) ? ui.sel : d.first;
    ui.detail = null;
    if (ui.sel) detail(page);
  },
  delta(page, d) { if (d.agg?.changed) page.reload(); else page.data = { ...page.data, ...d.agg }; },
  close(page) { page.go(page.ui.finding ? page.link({ find: null }) : page.to('/traces')); },
  keys: {
    e: jump(s => s.err, 1), E: jump(s => s.err, -1), c: jump(s => s.cp.length, 1), C: jump(s => s.cp.length, -1), n: jump(s => s.hit, 1), N: jump(s => s.hit, -1), h: fold(true), l: fold(false), '[': linked('←'), ']': linked('→'),
    ArrowLeft: fold(true), ArrowRight: fold(false),
  },
  top: page => [
    h('a.btn.bare', { key: 'back', href: page.to('/traces') }, ico('back'), 'Traces'), h('code.mute.trunc.hide-s', { key: 'id' }, page.at.id), h('button.btn.bare.ico.hide-s', { key: 'copy', 'aria-label': 'Copy trace id', on: { click: () => copy(page.at.id, 'Trace id copied.') } }, ico('copy')), h('span', { key: 'gap', css: { flex: 1 } }),
    page.data?.logs > 0 && h('a.btn', { key: 'logs', href: page.to('/logs', { q: 'trace:' + page.at.id }) }, ico('logs'), plural(page.data.logs, 'log')), h('button.btn.hide-s', { key: 'link', on: { click: () => copy(location.href, 'Link copied.') } }, ico('link'), 'Copy link'), liveButton()],
  body(page, d) {
    const { ui } = page;
    if (!d.spans) return d.logs > 0 && h('p', h('a', { href: page.to('/logs', { q: 'trace:' + page.at.id }) }, `${plural(d.logs, 'log line')} of this trace are still held`), '.');
    const rows = visible(ui), folded = d.count - rows.length, gone = page.at.get('span') && !ui.spans.some(s => s.id === page.at.get('span'));
    const hits = ui.spans.filter(s => s.hit).length;
    return [gone && h('p.remedy', st('warn', 'The span of this link is not here.'), ' It has not arrived, or left the memory to make room for newer ones.'),
      h('div.cols.tr-cols', { key: 'cols' }, h('div', {},
        panel('Critical path', 'inferred from span times', h('div.body', h('div.sum', { role: 'img', 'aria-label': 'Critical path: ' + d.path.map(p => `${p[1]} ${pct(p[2], 0)}`).join(', ') }, d.path.map(([c, , share]) => h('i' + (c ? '.' + c : ''), { css: { '--w': share * 100 + '%' } }))),
          h('div.eq', d.path.map(([c, name, share]) => h('span', sw(c), safe(name), h('b', pct(share, 0))))))),
        h('div.tools', h('div.q.find', { role: 'search' }, ico('search'), h('input', { id: 'find', 'aria-label': 'Find in this trace', placeholder: 'Find name, service, attribute, event', value: page.at.get('find') || '', maxlength: 500, on: { input: e => { clearTimeout(typing); const v = e.target.value.trim(); typing = setTimeout(() => page.go(page.link({ find: v }), true), 200); } } }), ui.finding && h('span.mute', plural(hits, 'match', 'matches'))),
          h('div.chips', { role: 'group', 'aria-label': 'Fold' }, MODES.map(([mode, text]) => h('button.chip', { 'aria-pressed': String(ui.mode === mode), on: { click: () => { ui.mode = mode; history.replaceState(history.state, '', page.link({ fold: mode })); page.draw(); } } }, text)))),
        waterfall(page, d, rows, folded)), side(page, d))];
  },
};

function waterfall(page, d, rows, folded) {
  const { ui } = page, T = ui.total || 1, X = v => Math.max(0, Math.min(1, v / T)) * 100 + '%', last = rows.length;
  const tick = i => h('span', { css: { '--x': i * 25 + '%' } }, i ? dur(T * i / 4) : '0');
  return h('section.panel.wf', { role: 'treegrid', 'aria-label': 'Spans', 'aria-rowcount': d.count },
    h('div.tr.h', { role: 'row' }, h('div.acts', { role: 'columnheader' }, h('span', 'Span'), folded > 0 && h('span.right', `${folded} of ${d.count} folded`)), h('div.tl.h.hide-s', { role: 'columnheader', 'aria-label': 'Time' }, h('div.axis', { css: { top: '7px' } }, [0, 1, 2, 3, 4].map(tick)))),
    rows.slice(0, 400).map(i => span(page, i, T, X)),
    last > 400 && h('div.tr.h', `${last - 400} more rows: fold some, or find what you look for.`),
    h('div.tr.h.legend', h('div.key', h('span.chat', h('i.swatch'), 'critical path'), h('span', '◆ event'), h('span', h('i.gap.static'), 'no span here'), h('span.hide-s', h('kbd', 'j'), h('kbd', 'k'), 'move ', h('kbd', 'e'), 'next error ', h('kbd', 'c'), 'next critical'))));
}

function span(page, i, T, X) {
  const { ui } = page, s = ui.spans[i], kids = hasKids(ui.spans, i), shut = ui.closed.has(s.id), sel = ui.sel === s.id;
  const end = (s.at + s.len) / T, where = end < .86 ? '' : s.at / T > .14 ? '.l' : '.in';
  const said = `${s.name}, starts ${dur(s.at)}, lasts ${dur(s.len)}` + (s.cp.length ? ', on the critical path' : '') + (s.err ? ', failed' : '');
  const twist = e => { e.stopPropagation(); if (shut) ui.closed.delete(s.id); else ui.closed.add(s.id); page.draw(); };
  return h('div.tr' + (s.c ? '.' + s.c : '') + (s.lost ? '.lost' : '') + (s.hit ? '.hit' : ''), { key: s.id, id: 's' + s.id, role: 'row', 'aria-level': s.d + 1, 'aria-selected': String(sel), 'aria-expanded': kids ? String(!shut) : null, 'aria-rowindex': i + 1, tabindex: sel ? 0 : -1, 'data-row': true, on: { click: () => getSelection().isCollapsed && select(page, i, false), focus: () => ui.sel !== s.id && select(page, i, false) } },
    h('div.nm', { role: 'rowheader', css: { '--d': Math.min(s.d, 12) } }, kids ? h('button.tw', { tabindex: -1, 'aria-label': shut ? 'Unfold' : 'Fold', on: { click: twist } }, shut ? '▸' : '▾') : h('span.tw'), sw(s.c), h('span.trunc', { title: safe(s.name) }, safe(s.name)), s.svc && h('span.svc.trunc', safe(s.svc)), s.err && st('err', safe(s.err)), s.links > 0 && h('span.st.lkn', { title: plural(s.links, 'link') + ' to or from this span' }, ico('link'), s.links)),
    h('div.tl', { role: 'gridcell', 'aria-label': said }, s.lost ? h('span.st.warn', { css: { '--x': X(s.at) } }, 'a parent that never arrived') : [h('i.sb', { css: { '--x': X(s.at), '--w': X(s.len) } }), s.gaps.map(([a, l]) => h('i.gap', { css: { '--x': X(a), '--w': X(l) } })), s.cp.map(([a, l]) => h('i.cp', { css: { '--x': X(a), '--w': X(l) } })), s.ev.map(a => h('i.ev', { css: { '--x': X(a) } })), s.logs.map(a => h('i.ev.lg', { css: { '--x': X(a) } })), h('span.du' + where, { css: { '--x': where ? X(s.at) : end * 100 + '%' } }, dur(s.len))]));
}

function side(page, d) {
  const { ui } = page, s = ui.spans.find(s => s.id === ui.sel), x = ui.detail?.id === ui.sel ? ui.detail : null;
  if (!s) return null;
  const pairs = list => h('dl', list.map(([k, v]) => [h('dt', k), h('dd', v)]));
  return h('div.stick', { key: 'side', id: 'span' }, panel(safe(s.name), h('span.st', sw(s.c), safe(s.svc || x?.service || '')), h('div.body.side', {},
    pairs([['start', dur(s.at)], ['duration', dur(s.len)], ['self', dur(s.self)], x && ['kind', x.kind], x && ['at', clock(x.t)], ['span', s.id]].filter(Boolean)),
    x?.status && h('p', { css: { 'margin-top': '10px' } }, st('err', safe(x.status))),
    x?.attributes.length > 0 && [h('h3', 'Attributes'), attributes(x.attributes)],
    x?.events.length > 0 && [h('h3', 'Events'), x.events.map(([at, name, attrs]) => h('div.event', h('div.lk', h('span.mute', dur(at)), h('b', safe(name))), attrs.length > 0 && attributes(attrs)))],
    x?.links.length > 0 && [h('h3', 'Links'), x.links.map(([way, href, name, note]) => h('div.lk', h('span', { 'aria-label': way === '→' ? 'links to' : 'linked from' }, way), href ? h('a.trunc', { href }, safe(name)) : h('code.trunc', safe(name)), h('span.mute.trunc', safe(note))))],
    x?.logs.length > 0 && [h('h3', 'Logs'), x.logs.map(([seq, level, name, at]) => h('div.lk', st({ warn: 'warn', error: 'err', fatal: 'err' }[level] || 'ok', ''), h('a.trunc', { href: page.to('/logs', { q: 'trace:' + page.at.id, line: seq }) }, safe(name)), h('span.mute', '+\u00a0' + dur(at))))],
    x?.dropped > 0 && h('p.mute', `The sender left out ${plural(x.dropped, 'item')} of this span.`),
    x?.resource.length > 0 && [h('h3', 'Resource'), attributes(x.resource)], x?.scope && pairs([['scope', safe(x.scope)]]))));
}
