// What is wrong, since when, and what the slow ones share.

import { axis, heat, pbar, scale, spark } from './charts.js';
import { h, num, panel, row, st, sw } from './dom.js';
import { count, dur, hm, isSmall, pct, plural, rate, safe } from './fmt.js';
import { quote } from './filter.js';
import { hold } from './hold.js';

const routeToken = r => r.p ? 'route:' + quote(r.p) : 'name:' + quote(r.m);
const few = n => ({ cls: 'num mute', value: h('span', { title: `Only ${n} samples: too few for this percentile.` }, '–') });

export default {
  title: () => 'Overview', hint: 'Filter: route:/rooms/* status:5xx dur>500ms',
  query: at => ({ route: at.get('route'), box: at.get('box') }),
  delta(page, d) { page.data = { ...page.data, ...d.agg, now: d.now }; },
  close(page) { if (page.at.get('box')) page.go(page.link({ box: null, route: null })); },
  keys: { v(page) { page.ui.table = !page.ui.table; page.draw(); } },
  body(page, d) {
    const g = d.groups, r = d.routes.rows;
    return [
      g.rows.length > 0 && h('section.panel.strip', { key: 'groups', css: { '--n': Math.min(g.rows.length, 4) }, 'aria-label': g.by === 'service.name' ? 'Services' : 'Domains', 'data-hold': 'groups' }, hold('groups', g.rows, x => x.name).map(x => cell(page, g, x))),
      d.heat && h('div.cols.c21', { key: 'heat' }, latency(page, d), shared(d)),
      r.length > 0 && h('div', { key: 'routes', id: 'routes' }, panel('Routes', 'worst first, ' + d.routes.src, table(page, r))),
      !r.length && h('section.panel', { key: 'none' }, h('div.body', h('p', h('b', 'No request in this time. '), 'Routes need spans of kind server, or the metric ', h('code', 'http.server.request.duration'), '.'), d.other > 0 && h('p', `${plural(d.other, 'span')} of other kinds arrived: `, h('a', { href: page.to('/traces') }, 'see the traces'), '.')))];
  },
};

function cell(page, g, x) {
  const token = (g.by === 'service.name' ? 'service:' : 'domain:') + quote(x.name);
  return h('a.cell', { key: x.name, href: page.to('/traces', { q: token }) }, h('h3', sw(x.c), h('span.trunc', safe(x.name)), st(...x.st)),
    h('div.dom', h('div.big', rate(x.rate), h('small', '/s')), spark(x.v, { c: x.c, err: x.e })),
    h('div.trio', h('span' + (x.st[1] === 'failing' ? '.err' : ''), 'errors ', h('b', pct(x.err))), h('span' + (x.st[1] === 'slow' ? '.err' : ''), x.p95 == null ? 'p50 ' : 'p95 ', h('b', dur(x.p95 ?? x.p50)))));
}

function latency(page, d) {
  const m = d.heat, box = m.box;
  const label = `Latency of ${m.route}, ${plural(m.n, 'request')}` + (box ? `: from ${hm(box.t0)} to ${hm(box.t1)} some took over ${dur(box.lo)}` : ': nothing stands out');
  return panel('Latency', [h('code', safe(m.route)), ' ', h('button.btn.mini-b', { 'aria-pressed': String(!!page.ui.table), title: 'The same as a table (v)', on: { click: () => { page.ui.table = !page.ui.table; page.draw(); } } }, page.ui.table ? 'Chart' : 'Table')],
    h('div.body', page.ui.table ? asTable(m) : heat(m, { label, drag: page.ui.drag, on: dragging(page, m) }),
      h('div.key', { css: { 'margin-top': '10px' } }, h('span', 'fewer', h('i.ramp'), 'more requests'), h('span', h('hr'), 'p50'), h('span', h('hr.d'), 'p99'), h('span', h('hr.x'), 'errors'), page.at.get('box') ? h('a', { href: page.link({ box: null, route: null }) }, 'Clear the box') : h('span.hide-s', 'Drag a box to compare it with the rest'))));
}

/** A box drawn with the mouse becomes part of the address; the server compares what lies in it with the rest. */
function dragging(page, m) {
  const at = e => {
    const r = e.currentTarget.querySelector('canvas').getBoundingClientRect(), clamp = v => Math.max(0, Math.min(1, v));
    return [clamp((e.clientX - r.left) / r.width), clamp((e.clientY - r.top) / (r.height - 12))];
  };
  const move = f => e => { if (page.ui.from) f(e, page.ui.from, at(e)); };
  return {
    pointerdown: e => { if (e.button === 0 && e.pointerType !== 'touch') { page.ui.from = at(e); e.currentTarget.setPointerCapture(e.pointerId); e.preventDefault(); } },
    pointermove: move((e, from, to) => { page.ui.drag = [from, to]; page.draw(); }),
    pointerup: move((e, from, to) => {
      page.ui.from = page.ui.drag = null;
      const [x0, x1] = [from[0], to[0]].sort(), [y0, y1] = [from[1], to[1]].sort(), t = x => Math.round(m.t0 + (m.t1 - m.t0) * x), d = y => +(m.hi * (m.lo / m.hi) ** y).toPrecision(3);
      if (x1 - x0 > .01) page.go(page.link({ route: m.route, box: [t(x0), t(x1), d(y1), d(y0)].join(',') }));
      page.draw();
    }),
  };
}

function asTable(m) {
  const g = '72px repeat(4, minmax(0, 1fr))', step = 6;
  const at = (values, i) => Math.max(...values.slice(i, i + step).map(v => v ?? -1));
  return h('div.t', { role: 'table', 'aria-label': 'Latency by time' }, row(g, ['From', num('Requests'), num('p50'), num('p99'), num('Errors')], { cls: '.h' }),
    Array.from({ length: m.cols / step }, (_, k) => k * step).map(i => {
      const total = m.cells.slice(i * m.rows, (i + step) * m.rows).reduce((a, b) => a + b, 0), known = v => v < 0 ? '–' : dur(v);
      return row(g, [hm(m.t0 + (m.t1 - m.t0) * i / m.cols), num(count(total)), num(known(at(m.p50, i))), num(known(at(m.p99, i))), num(count(m.err.slice(i, i + step).reduce((a, b) => a + b, 0)))]);
    }));
}

function shared(d) {
  const x = d.share, body = !x ? h('p.soft', 'Nothing stands out: no request of this route took longer than its target.')
    : x.few ? h('p.soft', `Only ${plural(x.inside, x.boxed ? 'request' : 'slow request')}: too few to say what they share.`, ' ', h('a', { href: x.href }, 'See them'), '.')
      : [h('p.soft', { css: { 'margin-bottom': '12px' } }, h('b', plural(x.inside, 'request')), ` in the box, against ${count(x.outside)} outside it. `, h('a', { href: x.href }, 'See them'), '.'),
        h('div.diff', x.rows.map(([k, v, a, b]) => h('div', { key: k + v }, h('div.a', h('code.trunc', h('span.mute', safe(k) + ' '), safe(v)), h('span.num', pct(a, 0), h('span.mute', '  vs ' + pct(b, 0)))), h('div.b', { 'aria-hidden': 'true' }, h('i', { css: { '--w': a * 100 + '%' } }), h('i', { css: { '--w': b * 100 + '%' } }))))),
        !x.rows.length && h('p.soft', 'They share nothing that the others do not have too.')];
  return panel(x?.boxed ? 'What the box shares' : 'What the slow ones share', null, h('div.body', body));
}

function table(page, rows) {
  const small = isSmall(), axisOf = scale(rows.flatMap(r => [r.p50, r.p99 ?? r.p95, r.target]).filter(Boolean)), { lo, hi, ticks } = axisOf;
  const g = small ? 'minmax(0,1fr) 62px 66px' : 'minmax(200px,1.5fr) 72px 90px 64px minmax(140px,1.2fr) 66px 66px 66px';
  const head = small ? ['Route', num('Errors'), num('p99')] : ['Route', num('Rate'), 'p95 trend', num('Errors'), axis(ticks, lo, hi), num('p50'), num('p95'), num('p99')];
  return h('div.t', { role: 'table', 'aria-label': 'Routes', 'aria-rowcount': rows.length + 1, 'data-hold': 'routes', css: { 'margin-top': '4px' } }, row(g, head, { cls: '.h' }), hold('routes', rows, r => r.m + r.p).map((r, i) => {
    const name = h('span.rt', sw(r.c), h('code.m', safe(r.m)), h('code.trunc', { title: r.p }, safe(r.p))), bad = r.p99 > r.target, o = { lo, hi, target: r.target };
    const errors = num(r.err ? pct(r.err) : h('span.mute', '0'), r.err >= .01 ? 'bad' : ''), tail = r.p99 == null ? few(r.n) : num(dur(r.p99), bad ? 'bad' : '');
    const cells = small ? [h('div', name, pbar(r.p50, r.p95, r.p99, o)), errors, r.p99 == null && r.p95 != null ? num(dur(r.p95), 'mute') : tail]
      : [name, num(rate(r.rate) + '\u00a0/s'), spark(r.v, { c: r.c, err: r.e }), errors, pbar(r.p50, r.p95, r.p99, o), num(dur(r.p50)), r.p95 == null ? few(r.n) : num(dur(r.p95), r.p99 == null && r.p95 > r.target ? 'bad' : ''), tail];
    const el = row(g, cells, { href: page.to('/traces', { q: routeToken(r) + (r.p ? ' method:' + r.m : '') }), cls: small ? '.two' : '', key: r.m + r.p, index: i + 2 });
    el.dataset.row = '';
    el.title = `${plural(r.n, 'request')}, ${r.src}`;
    return el;
  }));
}
