// The page: rooms on the left, one conversation, a field to write in.

import { $, count, duration, h, plain, status } from './dom.js';
import { add, say, sending, show } from './messages.js';
import { connect } from './socket.js';

const PAGE = 50;
const rooms = new Map();
const pending = new Map();
const drafts = new Map();
const newest = new Map();
let me = localStorage.getItem('vc.name') ?? '';
let current = '';
let livePage = null;
let socket = null;
let typingTimer = 0;
let typedAt = 0;
let entered = 0;

/** Asks the API. A failure is an Error whose message is the problem's detail. */
async function ask(path, options) {
  let response;
  try {
    response = await fetch(path, options);
  } catch {
    throw new Error('the server cannot be reached');
  }
  const body = await response.json().catch(() => ({}));
  if (!response.ok) throw new Error(body.detail ?? `the server answered ${response.status}`);
  return body;
}

const post = (path, body) =>
  ask(path, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) });

/* rooms */

function drawRooms() {
  const links = [...rooms.values()].map((room) => h('a', { href: '#/' + encodeURIComponent(room.id), 'aria-current': room.id === current && 'page' },
    h('span.trunc', { dir: 'auto' }, '# ' + plain(room.name)),
    room.unread > 0 && h('span.n', { 'aria-label': `${room.unread} unread` }, room.unread > 99 ? '99+' : room.unread)));
  $('rooms').replaceChildren(...links);
  $('rooms').querySelector('[aria-current]')?.scrollIntoView({ block: 'nearest', inline: 'nearest' });
}

function drawHere() {
  const room = rooms.get(current);
  $('here').textContent = room ? count(room.here ?? 0, 'person', 'people') + ' here now' : '';
}

async function enter(id) {
  const room = rooms.get(id);
  if (!room) return;
  const turn = ++entered;
  drafts.set(current, $('text').value);
  current = id;
  room.unread = 0;
  const name = plain(room.name);
  document.title = `${name}, vc-server`;
  $('title').textContent = '# ' + name;
  $('text').value = drafts.get(id) ?? '';
  $('text').placeholder = 'Message # ' + name;
  $('text').setAttribute('aria-label', 'Message to ' + name);
  $('transcript').href = `/rooms/${encodeURIComponent(id)}/transcript`;
  $('transcript').hidden = false;
  drawRooms();
  drawHere();
  socket?.send({ type: 'look', room: id });
  try {
    const { messages } = await ask(`/rooms/${encodeURIComponent(id)}/messages?limit=${PAGE}`);
    if (turn !== entered) return;
    newest.set(id, messages.at(-1)?.id ?? 0);
    show(messages, { page: PAGE, load: (before) => earlier(id, before) });
  } catch (error) {
    if (turn === entered) say(`This conversation could not be read: ${plain(error.message)}.`);
  }
}

async function earlier(id, before) {
  const { messages } = await ask(`/rooms/${encodeURIComponent(id)}/messages?limit=${PAGE}&before=${before}`);
  return messages;
}

// Compared as it is written: an address that somebody mistyped cannot always be decoded.
const fromAddress = () => {
  const ids = [...rooms.keys()];
  return ids.find((id) => '#/' + encodeURIComponent(id) === location.hash) ?? ids[0];
};

/* what happens live */

function happened(event) {
  if (event.type === 'message') arrived(event.message, event.ref);
  else if (event.type === 'room') { rooms.set(event.room.id, { ...event.room, unread: 0, here: 0 }); drawRooms(); }
  else if (event.type === 'here') { const room = rooms.get(event.room); if (room) room.here = event.count; drawHere(); }
  else if (event.type === 'typing') typing(event);
  else if (event.type === 'missed') catchUp().then((n) => say(`This page fell behind. ${count(n, 'message')} reloaded.`));
}

function arrived(message, ref) {
  const room = rooms.get(message.room);
  if (message.room !== current) {
    if (room) { room.unread += 1; drawRooms(); }
    return;
  }
  newest.set(current, Math.max(newest.get(current) ?? 0, message.id));
  const own = ref && pending.get(ref);
  // Our own message is shown already; its answer says how it went, and this if the answer is lost.
  if (own) own.seen = message;
  else add(message);
}

function typing({ room, author }) {
  if (room !== current || author === me) return;
  $('typing').textContent = `${plain(author)} is typing`;
  clearTimeout(typingTimer);
  typingTimer = setTimeout(() => { $('typing').textContent = ''; }, 3000);
}

/** Reads what was said in this room while nobody listened. Returns how much that was. */
async function catchUp() {
  const id = current;
  let found = 0;
  for (;;) {
    const { messages } = await ask(`/rooms/${encodeURIComponent(id)}/messages?limit=200&after=${newest.get(id) ?? 0}`);
    if (id !== current) return found;
    for (const message of messages) if (add(message)) found += 1;
    if (messages.length) newest.set(id, messages.at(-1).id);
    if (messages.length < 200) return found;
  }
}

function line(kind, text) {
  $('line').replaceChildren(...status(kind, text).childNodes);
  $('line').className = 'st ' + kind;
}

function goLive() {
  socket?.close();
  let note = null, away = null;
  const returned = () => note?.(`${away.words} ${away.found ? count(away.found, 'message') + ' replayed, none missed' : 'Nothing was missed'}.`);
  const mine = socket = connect(me, {
    async open({ mustLoad, away: ms }) {
      line('ok', 'Connected');
      if (current) mine.send({ type: 'look', room: current });
      if (!note) {
        // What was said between the page's reading and this.
        if (mustLoad) await catchUp().catch(() => {});
        return;
      }
      away = { words: `Reconnected after ${duration(ms)}.`, found: 0 };
      if (!mustLoad) return returned();
      const [tell, { words }] = [note, away];
      note = away = null;
      try {
        const found = await catchUp();
        tell(`${words} ${count(found, 'message')} reloaded.`);
      } catch {
        tell(`${words} Some messages may be missing; open the room again to read them.`);
      }
    },
    line: (kind, ms) => line(kind, `Connected, ${duration(ms)}`),
    lost() { line('warn', 'Not connected'); note = say('The connection was lost.'); away = null; },
    retry: (attempt, seconds) => note?.(`Reconnecting, attempt ${attempt}, next in ${seconds}\u00a0s.`),
    ended(why) {
      if (why === 'here') return;
      line('err', 'Not connected');
      say(why === 'superseded' ? 'This conversation goes on in another window.' : 'The server ended the connection. Reload this page to come back.');
    },
    event(event, again) {
      happened(event);
      if (again && event.type === 'message' && away) { away.found += 1; returned(); }
    },
  });
}

/* sending */

async function send(text, room = current) {
  const ref = crypto.getRandomValues(new Uint32Array(2)).join('-');
  const entry = sending({ author: me, text });
  pending.set(ref, entry);
  const began = performance.now();
  try {
    const sent = await post(`/rooms/${encodeURIComponent(room)}/messages`, { author: me, text, ref });
    const trace = livePage && sent.trace_id && new URL('/traces/' + encodeURIComponent(sent.trace_id), livePage).href;
    entry.delivered(sent, performance.now() - began, trace);
  } catch (error) {
    if (entry.seen) entry.delivered(entry.seen, performance.now() - began);
    else if (room === current) entry.failed(error.message, () => send(text, room));
    else drafts.set(room, text);
  } finally {
    pending.delete(ref);
  }
}

$('composer').addEventListener('submit', (event) => {
  event.preventDefault();
  const text = $('text').value.trim();
  if (!text || !current) return;
  $('text').value = '';
  send(text);
});

$('text').addEventListener('keydown', (event) => {
  if (event.key === 'Enter' && !event.shiftKey && !event.isComposing) {
    event.preventDefault();
    $('composer').requestSubmit();
  }
});

$('text').addEventListener('input', () => {
  if (performance.now() - typedAt < 2000) return;
  typedAt = performance.now();
  socket?.send({ type: 'typing' });
});

/* the one question at a time */

/** Asks for a name until `accept` takes it; `accept` throws what is wrong with it. */
function question({ title, label, go, value = '', accept }) {
  $('ask-title').textContent = title;
  $('ask-label').textContent = label;
  $('ask-go').textContent = go;
  $('ask-input').value = value;
  $('ask-error').replaceChildren();
  $('ask-form').onsubmit = async (event) => {
    event.preventDefault();
    try {
      await accept($('ask-input').value.trim());
      $('ask').close();
      $('text').focus();
    } catch (error) {
      $('ask-error').replaceChildren(...status('err', error.message).childNodes);
    }
  };
  $('ask').showModal();
}

const isName = (name) => name.length > 0 && [...name].length <= 40 && plain(name) === name;

function askName() {
  question({
    title: 'What should people call you?', label: 'Name', go: 'Come in', value: me,
    accept(name) {
      if (!isName(name)) throw new Error('Write a name of 1 to 40 visible characters.');
      me = name;
      localStorage.setItem('vc.name', me);
      $('rename').textContent = plain(me);
      goLive();
    },
  });
}

$('rename').addEventListener('click', askName);
$('open-room').addEventListener('click', () => question({
  title: 'Open a room', label: 'What is it about?', go: 'Open',
  async accept(name) {
    const room = await post('/rooms', { name });
    rooms.set(room.id, { ...room, unread: 0 });
    location.hash = '#/' + encodeURIComponent(room.id);
  },
}));
// Without a name there is nobody to send as.
$('ask').addEventListener('cancel', (event) => { if (!me) event.preventDefault(); });

addEventListener('hashchange', () => rooms.size && enter(fromAddress()));
addEventListener('keydown', (event) => {
  const writing = /^(INPUT|TEXTAREA)$/.test(event.target.tagName);
  if (event.key === '/' && !writing && !event.ctrlKey && !event.metaKey && !$('ask').open) { event.preventDefault(); $('text').focus(); }
});

async function start() {
  const about = await ask('/about');
  livePage = about.live_page;
  for (const id of ['telemetry', 'telemetry-s']) {
    $(id).hidden = !livePage;
    if (livePage) $(id).href = livePage;
  }
  for (const room of (await ask('/rooms')).rooms) rooms.set(room.id, { ...room, unread: 0 });
  await enter(fromAddress());
  $('rename').textContent = plain(me);
  if (isName(me)) goLive();
  else askName();
}

start().catch((error) => { line('err', 'Not connected'); say(`The rooms could not be read: ${plain(error.message)}. Reload this page to try again.`); });
