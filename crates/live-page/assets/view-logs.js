// What the code said; the trace one click away, and back.

import { hist, timeAxis } from './charts.js';
import { h, ico, panel, put, st, sw } from './dom.js';
import * as filter from './filter.js';
import { clock, count, isSmall, plural, safe, utc } from './fmt.js';
import { windowed } from './hold.js';
import { add, older, pill, start } from './list.js';
import { attributes } from './parts.js';

const SHAPE = { warn: 'warn', error: 'err', fatal: 'err' };

export default {
  title: () => 'Logs', hint: 'Filter: level:warn,error domain:chat "a phrase"',
  query: at => ({ line: at.get('line') }),
  loaded(page, data) {
    start(page, data, 'seq');
    if (data.line) page.ui.open = { ...data.line };
    else if (!page.at.get('line')) page.ui.open = null;
  },
  delta(page, d) {
    page.data = { ...page.data, ...d.agg };
    add(page, d);
  },
  close(page) { if (page.ui.open) toggle(page, page.ui.open.seq); },
  body(page, d) {
    const { ui } = page, rows = ui.rows || [], has = token => filter.split(page.at.q).includes(token);
    const chip = (text, token, swatch) => h('button.chip', { key: token || 'all', 'aria-pressed': String(token ? has(token) : !page.at.q), on: { click: () => token && has(token) ? page.go(page.link({ q: filter.split(page.at.q).filter(t => t !== token).join(' ') })) : token ? page.filterBy(token) : page.go(page.link({ q: null })) } }, swatch && sw(swatch), text);
    const gone = page.at.get('line') && !d.line && h('p.remedy', st('warn', 'This line is no longer here.'), ' It left the memory to make room for newer ones, or never arrived.');
    const w = windowed('list', rows, isSmall() ? 62 : 28, (r, i) => [line(page, r, i), ui.open?.seq === r.seq && more(page, ui.open)]);
    if (w.last > rows.length - 30) older(page, '/api/view?' + new URLSearchParams({ view: 'logs', q: page.at.q, t: page.at.t }));
    if (!d.hist) return null;
    return [gone,
      h('div', { key: 'hist' }, panel('Lines', `every ${d.every}`, h('div.body', hist(d.hist, `Lines per level: ${d.errors} errors, ${d.warnings} warnings`), timeAxis(d.t0, d.t1)),
        h('div.body.tight', h('div.chips', chip('all levels'), d.errors > 0 && chip('errors ' + count(d.errors), 'level:error,fatal'), d.warnings > 0 && chip('warnings ' + count(d.warnings), 'level:warn'), chip('has a trace', 'has:trace'), d.domains.map(([name, c]) => chip(safe(name), 'domain:' + filter.quote(name), c)))))),
      pill(page),
      !rows.length && !d.filter?.none && h('section.panel', h('div.body', h('p', h('b', 'No line in this time. '), 'Logs need the logger to export over OTLP; a line knows its trace when it is written inside a span.'))),
      rows.length > 0 && h('section.panel.lines', { key: 'lines', role: 'table', 'aria-label': 'Log lines', 'aria-rowcount': d.total, 'data-hold': 'list' }, h('div', { id: 'list', role: 'rowgroup', css: w.css }, w.rows))];
  },
};

function line(page, r, i) {
  const open = page.ui.open?.seq === r.seq, shape = SHAPE[r.level] || 'ok';
  return h('div.log' + (open ? '.open' : ''), { key: r.seq, role: 'row', 'aria-rowindex': i + 1, 'aria-expanded': String(open), tabindex: 0, 'data-row': true, on: { click: e => { if (!e.target.closest('a') && getSelection().isCollapsed) toggle(page, r.seq); }, keydown: e => { if (e.target === e.currentTarget && (e.key === 'Enter' || e.key === ' ')) { e.preventDefault(); toggle(page, r.seq); } } } },
    h('span.mute', { role: 'cell', title: utc(r.t) }, clock(r.t)), put(st(shape, safe(r.level || 'line')), { role: 'cell' }), h('span.dm', { role: 'cell' }, sw(r.c), h('span.hide-s.trunc', safe(r.domain))),
    h('span.msg', { role: 'cell' }, r.event && h('b', safe(r.event)), h('span.trunc.soft', safe(r.msg))),
    h('span.hide-s', { role: 'cell' }, r.trace && h('a', { href: traceLink(page, r), title: 'Open the trace' }, r.trace.slice(0, 8))));
}

const traceLink = (page, r) => page.to('/traces/' + r.trace, { span: r.span, line: r.seq });

async function toggle(page, seq) {
  if (page.ui.open?.seq === seq) page.ui.open = null;
  else {
    const r = page.ui.rows.find(r => r.seq === seq);
    page.ui.open = { ...r };
    try {
      const found = await fetch('/api/logs/' + seq);
      if (found.ok) page.ui.open = { ...r, ...await found.json() };
      else page.ui.open.gone = true;
    } catch { page.ui.open.gone = true; }
  }
  history.replaceState({ ...history.state, y: scrollY }, '', page.link({ line: page.ui.open?.seq }));
  page.draw();
}

function more(page, r) {
  return h('div.more', { key: 'more' + r.seq, role: 'row' }, h('div', { role: 'cell' },
    r.gone ? h('p', 'This line has left the memory to make room for newer ones.') : [h('p.full', safe(r.msg)), attributes(r.attributes || [])],
    h('div.acts', r.trace && h('a.btn', { href: traceLink(page, r) }, ico('traces'), 'Open trace at this line'), r.event && h('button.btn', { on: { click: () => page.filterBy('event:' + filter.quote(r.event)) } }, 'Only this event'), r.event && h('button.btn.hide-s', { on: { click: () => page.filterBy('-event:' + filter.quote(r.event)) } }, 'Hide this event'))));
}
