// The conversation: what is shown of it, and following its end.

import { $, count, duration, h, plain, status } from './dom.js';

const KEPT = 400;
const SLOW = 500;
const COLOURS = ['auth', 'chat', 'ws', 'voice', 'db', 'cache'];

const list = $('messages');
const scroll = $('scroll');
const newer = $('newer');
let unseen = 0;
let lastDay = '';

const atEnd = () => scroll.scrollHeight - scroll.scrollTop - scroll.clientHeight < 40;

function toEnd() {
  scroll.scrollTop = scroll.scrollHeight;
  unseen = 0;
  newer.hidden = true;
}

newer.addEventListener('click', toEnd);
scroll.addEventListener('scroll', () => atEnd() && unseen && toEnd());

/** Adds at the end; follows only when the end is in view. */
function append(item, follow = false) {
  const end = atEnd();
  list.append(item);
  while (list.children.length > KEPT && end) list.firstChild.remove();
  if (end || follow) return toEnd();
  unseen += 1;
  newer.textContent = count(unseen, 'new message');
  newer.hidden = false;
}

const clock = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit' });
const day = new Intl.DateTimeFormat(undefined, { dateStyle: 'long' });

function initials(name) {
  const words = name.trim().split(/\s+/);
  const first = [...words[0]][0] ?? '?';
  const second = words.length > 1 ? [...words.at(-1)][0] : ([...words[0]][1] ?? '');
  return plain((first + second).toUpperCase());
}

function colour(name) {
  let sum = 0;
  for (const c of name) sum = (sum * 31 + c.codePointAt(0)) >>> 0;
  return COLOURS[sum % COLOURS.length];
}

function item(message) {
  const at = new Date(message.sent_at);
  const receipt = h('span.rc');
  const element = h(`li.msg-i.${colour(message.author)}`, { 'data-id': message.id },
    h('span.av', { 'aria-hidden': 'true' }, initials(message.author)),
    h('div', {},
      h('div.who', {}, h('b', { dir: 'auto' }, plain(message.author)), h('time', { datetime: at.toISOString(), title: at.toISOString() }, clock.format(at))),
      h('p', { dir: 'auto' }, plain(message.text)),
      receipt));
  return { element, receipt };
}

/** Says which day it is, once, before the first message of that day. */
function dayLine(message) {
  list.querySelector('.nothing')?.remove();
  const name = day.format(new Date(message.sent_at));
  if (name === lastDay) return;
  lastDay = name;
  list.append(line(name === day.format(new Date()) ? 'Today' : name));
}

const line = (...content) => h('li.sysline', {}, h('span', {}, ...content));

/** Empties the conversation, and shows these messages. */
export function show(messages, more) {
  list.replaceChildren();
  lastDay = '';
  if (messages.length >= more.page) list.append(earlier(messages[0].id, more));
  for (const message of messages) add(message, true);
  if (!messages.length) {
    const nothing = line('Nothing has been said here yet.');
    nothing.classList.add('nothing');
    list.append(nothing);
  }
  toEnd();
}

/** Adds a message that arrived. Returns whether it was new. */
export function add(message, follow = false) {
  if (list.querySelector(`[data-id="${Number(message.id)}"]`)) return false;
  dayLine(message);
  append(item(message).element, follow);
  return true;
}

function earlier(before, more) {
  const button = h('button.btn.bare', { type: 'button' }, 'Show earlier messages');
  const holder = h('li.sysline', {}, button);
  button.addEventListener('click', async () => {
    const messages = await more.load(before);
    const from = scroll.scrollHeight - scroll.scrollTop;
    const older = messages.map((message) => item(message).element);
    if (messages.length >= more.page) older.unshift(earlier(messages[0].id, more));
    holder.replaceWith(...older);
    scroll.scrollTop = scroll.scrollHeight - from;
  });
  return holder;
}

/** Says something about the conversation inside it. The function returned replaces the words. */
export function say(text) {
  const words = h('span', {}, text);
  append(h('li.sysline', {}, words));
  return (next) => { words.textContent = next; };
}

/** Adds a message that is being sent; the returned functions tell how that went. */
export function sending(draft) {
  const message = { ...draft, id: 0, sent_at: Date.now() };
  dayLine(message);
  const { element, receipt } = item(message);
  element.removeAttribute('data-id');
  element.dataset.state = 'sending';
  receipt.append(status('wait', 'Sending'));
  append(element, true);
  return {
    element,
    delivered(message, ms, traceUrl) {
      element.dataset.id = message.id;
      element.dataset.state = 'delivered';
      const slow = ms > SLOW;
      const words = slow ? status('warn', `Took ${duration(ms)} to send.`) : status('ok', `Delivered in ${duration(ms)}`);
      const link = traceUrl && h('a', { href: traceUrl, target: '_blank', rel: 'noreferrer' }, slow ? 'Why was this slow?' : 'See its trace');
      receipt.replaceChildren(words, ...(link ? [link] : []));
    },
    failed(why, again) {
      element.dataset.state = 'failed';
      receipt.replaceChildren(status('err', `Not sent: ${plain(why)}`), h('button.btn.bare', { type: 'button', onclick: () => { element.remove(); again(); } }, 'Send again'));
    },
  };
}
