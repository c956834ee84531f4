// Which requests: newest first, each bar's length the log of its duration, split by who spent it.

import { h, num, row, st, sw } from './dom.js';
import { axisX, clock, dur, isSmall, safe, utc } from './fmt.js';
import { windowed } from './hold.js';
import { add, older, pill, start } from './list.js';

export default {
  title: () => 'Traces', hint: 'Filter: service:chat error:true dur>100ms',
  query: at => ({ sort: at.get('sort') }),
  loaded(page, data) { start(page, data, 'id'); },
  delta(page, d) {
    page.data = { ...page.data, ...d.agg };
    add(page, d, page.at.get('sort'));
  },
  aside: (page, d) => d.total > 0 && h('span.key.inline', (d.classes || []).map(([c, name]) => h('span', sw(c), safe(name)))),
  body(page, d) {
    const { ui } = page, rows = ui.rows || [], small = isSmall(), sort = page.at.get('sort');
    if (!rows.length) return d.filter?.none ? null : h('section.panel', h('div.body', h('p', h('b', 'No trace in this time. '), 'Traces need spans: choose a longer range, or send a request to your service.')));
    const g = small ? 'minmax(0,1fr) 84px' : '96px minmax(220px,1.5fr) minmax(140px,1fr) 74px 52px 120px';
    const by = (name, key) => num(h('a.sort', { href: page.link({ sort: sort === key ? null : key }), 'aria-label': `Sort by ${name}` }, name, sort === key ? ' ↓' : ''));
    const w = windowed('list', rows, small ? 44 : 32, (r, i) => line(page, g, r, i, small));
    if (w.last > rows.length - 30) older(page, '/api/view?' + new URLSearchParams({ view: 'traces', q: page.at.q, t: page.at.t }));
    return [pill(page, sort), h('section.panel.t', { key: 'table', role: 'table', 'aria-label': 'Traces', 'aria-rowcount': d.total + 1, 'data-hold': 'list' },
      row(g, small ? ['Root', by('Duration', 'dur')] : ['Started', 'Root', 'Time by service', by('Duration', 'dur'), num('Spans'), by('Status', 'err')].map((c, i) => i === 5 ? c.value : c), { cls: '.h' }),
      h('div', { id: 'list', role: 'rowgroup', css: w.css }, w.rows))];
  },
};

function line(page, g, r, i, small) {
  const name = h('span.rt', sw(r.c), r.m && h('code.m', safe(r.m)), h('code.trunc', { title: safe(r.name) }, safe(r.name)));
  const bar = h('div.acc.thin-a', { 'aria-hidden': 'true', css: { width: Math.max(3, axisX(r.d, 1, 4000) * 100) + '%' } }, r.split.map(([c, share]) => h('i' + (c ? '.' + c : ''), { css: { '--w': share * 100 + '%', '--k': 'var(--c, var(--ink-3))' } })));
  const errors = r.err > 1 ? `${r.err} errors` : r.st || 'error', status = r.err ? st('err', safe(errors)) : st('ok', safe(r.st || 'ok')), time = num(dur(r.d), r.err ? 'bad' : '');
  const el = row(g, small ? [h('div', name, h('div.sub', clock(r.t), r.err > 0 && st('err', safe(errors)))), time] : [h('code.mute', { title: utc(r.t) }, clock(r.t)), name, bar, time, num(r.n), status],
    { href: page.to('/traces/' + r.id), key: r.id, index: i + 2 });
  el.dataset.row = '';
  return el;
}
