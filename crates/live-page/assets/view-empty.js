// Nothing yet: what is open, what knocked, what is awaited, and the shortest thing to paste.

import { spark } from './charts.js';
import { h, ico, put } from './dom.js';
import { hms, plural } from './fmt.js';
import { copy } from './main.js';
import { toast } from './toast.js';

const RUST = 'let telemetry = campanile::Telemetry::from_env("chat-api")\n    .install()?;\n\nlet app = Router::new()\n    .route("/rooms/{id}", get(room))\n    .layer(ServerLayer::new(&telemetry));';

async function sample() {
  const sent = await fetch('/api/sample', { method: 'POST' }).catch(() => null);
  if (!sent?.ok) toast('sample', 'The sample could not be sent.', '', null);
}

export default {
  body(page) {
    const k = page.kept, knocked = k.connections > 0, line = 'OTEL_EXPORTER_OTLP_ENDPOINT=' + k.grpc;
    const steps = [['check', 'The receiver is open', `gRPC on ${k.grpc.split(':').pop()}, HTTP on ${k.http.split(':').pop()}.`],
      knocked ? ['check', 'Something knocked', plural(k.connections, 'connection') + ' so far.' + (k.refused ? ` ${plural(k.refused, 'item or request', 'items and requests')} refused: see Pipeline.` : '')] : ['wait', 'Nobody has connected yet', 'An exporter that points here shows up the moment it connects.'],
      ['wait', 'Waiting for a first export', 'Batches leave every 5 s by default. Send a request to your service to make one.'], ['wait', 'Then: traces, metrics and logs appear one by one', 'Each view names the signal it needs.']];
    const ghost = bars => h('div.ghost', { 'aria-hidden': 'true' }, bars.map(([x, w]) => h('i', { css: { '--x': x + '%', '--w': w + '%' } })));
    const teach = [['Traces answer: where did the time go?', 'One request as a tree, its critical path in solid colour. Needs spans.', ghost([[0, 100], [4, 22], [26, 58], [84, 14]])],
      ['Metrics answer: since when, and how often?', 'Rate, errors and percentiles for each route. Needs http.server.request.duration.', spark([9, 10, 9, 11, 10, 9, 10, 12, 10, 9, 10, 14, 22, 30, 27, 16, 11, 10, 9, 10], { label: 'an example of a trend' })],
      ['Logs answer: what did the code say?', 'Each line knows its trace, one click away and back. Needs trace_id on the record.', ghost([[0, 88], [0, 64], [0, 92], [0, 47]])]];
    return [h('section.panel.teach', { id: 'empty' },
      h('div', h('div.verdict', h('h1', 'Listening. Nothing has arrived yet.'), h('p', 'Point any OpenTelemetry exporter here and this page fills by itself; there is no need to reload.')),
        h('ol.steps', steps.map(([i, a, b]) => h('li.' + i, ico(i), h('div', h('b', a), b))))),
      h('div', h('h2', 'A service in Rust'), h('pre.code', { tabindex: 0 }, RUST), h('h2', 'Anything else'), h('pre.code', { tabindex: 0 }, line), h('div.acts', h('button.btn.pri', { id: 'sample', on: { click: sample } }, 'Send a sample trace'), h('button.btn', { on: { click: () => copy(line, 'Variable copied.') } }, ico('copy'), 'Copy the variable')))),
    h('div.cols.c3.teach-3', teach.map(([a, b, picture]) => h('section.panel', h('div.body', picture, h('h2', a), h('p.soft', b)))))];
  },
};
