// Who is connected, who left and why.

import { hist, timeAxis } from './charts.js';
import { h, num, panel, row, st } from './dom.js';
import { clock, count, dur, isSmall, safe } from './fmt.js';

const BAD = { abnormal: 1, protocol: 1, policy: 1, too_big: 1, internal: 1, library: 1, invalid: 1, tls: 1 };

export default {
  title: () => 'WebSocket', hint: 'Filter: ep:live session:*',
  delta(page, d) { page.data = { ...page.data, ...d.agg }; },
  body(page, d) {
    if (!d.cells) return h('section.panel', h('div.body', h('p', h('b', 'No WebSocket has been seen. '), 'Sessions need the metric ', h('code', 'websocket.connection.active'), ' or spans named ', h('code', 'websocket.connect'), ' and ', h('code', 'websocket.disconnect'), ': campanile-ws makes them.')));
    const small = isSmall(), g = small ? 'minmax(0,1fr) 84px 62px' : '96px minmax(140px,1fr) minmax(110px,.8fr) minmax(140px,1fr) 90px 110px', most = Math.max(1, ...d.closes.map(c => c[2]));
    return [h('section.panel.strip', { css: { '--n': d.cells.length } }, d.cells.map(([name, value, unit, note, status]) => h('div.cell', h('h3', name, status && st('warn', status)), h('div.big', value == null ? '–' : typeof value === 'number' ? count(value) : value, unit && h('small', unit)), h('div.note', note)))),
      h('div.cols.c11', {},
        panel('Why connections closed', count(d.closes.reduce((a, c) => a + c[2], 0)) + ' in this time', h('div.body', d.closes.map(([cls, cause, n]) => h('div.rung.close', { key: cls + cause }, h('span', safe(cls)), h('span.mute', safe(cause)), h('div', h('div.b', { css: { '--w': Math.max(1, Math.sqrt(n / most) * 100) + '%', '--k': BAD[cls] ? 'var(--warn)' : 'var(--ink-3)' } })), h('b.num', count(n)))), !d.closes.length && h('p.soft', 'None closed.'), h('p.mute.fine', 'Class, then cause. The cause says who began it.'))),
        panel('Opened and closed', d.cells[2][4] ? 'broken ones marked' : null, h('div.body', hist(d.hist, 'Connections opened and closed over time', 84), timeAxis(d.t0, d.t1)))),
      d.sessions.length > 0 && h('section.panel', h('header', h('h2', 'Sessions'), h('div.r.mute', 'newest first, from their spans')), h('div.t', { role: 'table', 'aria-label': 'Sessions' }, row(g, small ? ['Event', 'Close', num('Lasted')] : ['At', 'Event', 'Endpoint', 'Session', 'Lasted', 'Closed'].map((c, i) => i === 4 ? num(c) : c), { cls: '.h' }), d.sessions.map(s => {
        const closed = s.cls && (BAD[s.cls] ? st('warn', safe(s.cls)) : st('ok', safe(s.cls))), lasted = num(s.lasted == null ? '–' : dur(s.lasted));
        const el = row(g, small ? [h('code', safe(s.name)), closed, lasted] : [h('code.mute', clock(s.t)), h('code', safe(s.name)), safe(s.ep), h('code', safe(s.session)), lasted, closed], { key: s.id, href: page.to('/traces/' + s.trace, { span: s.id }) });
        el.dataset.row = '';
        return el;
      })))];
  },
};
