// Any instrument: its series, and one plot.

import { spark, timeAxis } from './charts.js';
import { h, num, panel, row } from './dom.js';
import { bytes, count, dur, isSmall, safe } from './fmt.js';
import { hold } from './hold.js';

const value = (v, unit) => v == null ? '–' : unit === 's' ? dur(v * 1000) : unit === 'ms' ? dur(v) : unit === 'By' ? bytes(v) : (Math.abs(v) >= 100 ? count(v) : +v.toPrecision(3) + '');
const shown = (d, unit) => d.per ? value(d.last, unit) + '/s' : value(d.last, unit);

export default {
  title: page => page.at.id || 'Metrics', hint: 'Filter: name:http.* service:chat',
  query: at => ({ by: at.get('by') }),
  delta(page, d) { page.data = { ...page.data, ...d.agg }; },
  close(page) { if (page.at.id) page.go(page.to('/metrics')); },
  body(page, d) {
    const small = isSmall(), one = d.one;
    const g = small ? 'minmax(0,1fr) 86px' : 'minmax(200px,1.4fr) 110px 84px 70px 90px minmax(110px,.8fr)', gs = small ? 'minmax(0,1fr) 86px' : 'minmax(200px,2fr) 90px minmax(110px,1fr)';
    const list = d.list || [];
    return [one && h('div', { key: 'one' }, panel(safe(one.name), one.what, h('div.body', one.about && h('p.soft', safe(one.about)), h('div.heat.plot', h('div.y', [0, .5, 1].map(k => h('span', { css: { '--y': 6 + (1 - k) * 138 + 'px' } }, value(one.max * k, one.unit)))), spark(one.v, { max: one.max, label: `${one.name}: last ${value(one.last, one.unit)}` }), timeAxis(d.t0, d.t1)),
        one.keys.length > 0 && h('div.chips', h('span.mute', 'split by'), one.keys.map(k => h('a.chip', { href: page.link({ by: page.at.get('by') === k ? null : k }), 'aria-current': page.at.get('by') === k ? 'true' : null }, safe(k)))))),
      h('section.panel', h('header', h('h2', 'Series'), h('div.r.mute', one.more > 0 ? `the first ${one.series.length}, ${count(one.more)} more` : count(one.series.length))), h('div.t', { role: 'table', 'aria-label': 'Series' }, one.series.map(s => row(gs, small ? [h('code', safe(s.name)), num(shown(s, one.unit))] : [h('code.trunc', { title: safe(s.name) }, safe(s.name)), num(shown(s, one.unit)), spark(s.v)], { key: s.name }))))),
    page.at.id && !one && h('section.panel', h('div.body', h('p', 'No point of ', h('code', safe(page.at.id)), ' is held.'))),
    list.length > 0 && h('section.panel.t', { key: 'list', role: 'table', 'aria-label': 'Instruments', 'data-hold': 'list' }, row(g, small ? ['Instrument', ''] : ['Instrument', 'Kind', 'Unit', num('Series'), num('Last'), 'In this time'], { cls: '.h' }), hold('list', list, m => m.name).map(m => {
      const el = row(g, small ? [h('code', safe(m.name)), spark(m.v)] : [h('code', { title: safe(m.name) }, safe(m.name)), m.kind, h('code.mute', safe(m.unit)), num(count(m.series)), num(shown(m, m.unit)), spark(m.v)], { key: m.name, href: page.to('/metrics/' + encodeURIComponent(m.name)), selected: m.name === page.at.id ? 'true' : null });
      el.dataset.row = '';
      return el;
    })),
    !list.length && !one && !d.filter?.none && h('section.panel', h('div.body', h('p', h('b', 'No metric has arrived yet. '), 'Periodic readers export every 60 s by default; ', h('code', 'OTEL_METRIC_EXPORT_INTERVAL'), ' shortens that.')))];
  },
};
