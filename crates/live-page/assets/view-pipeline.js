// Arrived, refused, held, let go: where you would miss the thing itself.

import { h, num, panel, row, st } from './dom.js';
import { ago, bytes, count, hms, isSmall, plural, safe } from './fmt.js';

export default {
  title: () => 'Pipeline',
  delta(page, d) { page.data = { ...page.data, ...d.agg, now: d.now }; },
  needsData: false,
  body(page, d) {
    const small = isSmall(), p = d.pipeline, g = small ? 'minmax(0,1fr) 70px 60px 56px' : 'minmax(110px,1fr) 100px 100px 90px 110px 110px 100px';
    const head = small ? ['Signal', num('Stored'), num('Refused'), num('Last')] : ['Signal', num('Requests'), num('Stored'), num('Refused'), num('Left'), num('Held'), num('Last')];
    const line = s => row(g, small ? [h('span.trunc', s.name), num(count(s.items)), num(count(s.refused), s.refused ? 'bad' : 'mute'), num(ago(s.last, d.now))] : [s.sub ? h('span.mute', s.name) : s.name, num(count(s.requests)), num(count(s.items)), num(count(s.refused), s.refused ? 'bad' : 'mute'), num(s.sub ? '' : count(s.evicted), 'mute'), num(s.sub ? '' : count(s.held)), num(ago(s.last, d.now))], { key: s.key });
    const cell = (name, big, note, status) => h('div.cell', h('h3', name, status), h('div.big', big), h('div.note', note));
    return [panel('Flow', 'since the receiver started', h('div.flow', cell('Received', count(p.requests) + ' requests', bytes(p.wire) + ', ' + plural(p.open, 'connection') + ' open'), cell('Accepted', count(p.items) + ' items', `${count(p.refused)} refused`, p.refused > 0 && st('err', 'refused')), cell('Held', bytes(p.bytes), `of ${bytes(p.max)}, oldest leave first`), cell('Shown', plural(p.pages, 'page'), p.skipped ? `${count(p.skipped)} rows skipped by slow ones` : '0 rows skipped'))),
      panel('By signal', 'and how it arrived', h('div.t', { role: 'table', 'aria-label': 'Signals' }, row(g, head, { cls: '.h' }), p.signals.map(line))),
      p.refusals.length > 0 && [panel('What was refused last', null, h('div.t', p.refusals.map(([at, what, why]) => row(small ? '70px minmax(0,1fr)' : '90px 160px minmax(0,1fr)', small ? [hms(at), h('span', safe(what), ': ', safe(why))] : [hms(at), safe(what), h('code.wrap', safe(why))]))))],
      p.onward.length > 0 && [panel('Onward', safe(p.onwardTo), h('div.t', p.onward.map(([name, value, bad]) => row('minmax(0,1fr) minmax(0,2fr)', [safe(name), num(bad ? st('warn', safe(value)) : safe(value))]))))],
      panel('Where to send', null, h('div.body', h('dl', h('dt', 'gRPC'), h('dd', p.grpc), h('dt', 'HTTP'), h('dd', p.http))))];
  },
};
