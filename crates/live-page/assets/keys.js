// The keyboard: letters by what they say, arrows for movement, and a list of them under `?`.

import { h, morph } from './dom.js';
import { copy, pause, theme } from './main.js';
import { dismiss } from './toast.js';

const KEYS = [['/', 'filter'], ['g then o t l w m p', 'overview, traces, logs, WebSocket, metrics, pipeline'], ['j k or arrows', 'next and previous row'], ['Enter', 'open'], ['h l', 'fold and unfold'], ['e E', 'next and previous error'], ['c C', 'next and previous step of the critical path'], ['n N', 'next and previous match'], ['[ ]', 'link back and forth'], ['v', 'chart as a table'], ['Space', 'pause the page'], ['t', 'theme'], ['y', 'copy the link'], ['Esc', 'close the nearest thing'], ['?', 'this list']];
const GO = { o: '/', t: '/traces', l: '/logs', w: '/ws', m: '/metrics', p: '/pipeline' };
let going = 0;

const off = () => { try { return localStorage.getItem('campanile.keys') === 'off'; } catch { return false; } };

export function keydown(e, page, view) {
  if (e.defaultPrevented || e.ctrlKey || e.metaKey || e.altKey) return;
  const field = e.target.closest('input, textarea, select, dialog');
  if (e.key === 'Escape') { close(page, view); return; }
  if (field) return;
  if (e.key === 'ArrowDown' || e.key === 'ArrowUp') { if (step(e.key === 'ArrowDown' ? 1 : -1, e.target)) e.preventDefault(); return; }
  if (off() && e.key !== '?') return;
  if (e.key === ' ' && e.target.closest('button, a, [role=row]')) return;
  const key = e.key, went = Date.now() - going < 1500;
  going = 0;
  if (went && GO[key]) page.go(page.to(GO[key]));
  else if (key === 'g') going = Date.now();
  else if (key === '/') document.getElementById('q')?.focus();
  else if (key === 'j' || key === 'k') step(key === 'j' ? 1 : -1, e.target);
  else if (key === ' ') pause();
  else if (key === 't') theme();
  else if (key === 'y') copy(location.href, 'Link copied.');
  else if (key === '?') help();
  else if (!view.keys?.[key]) return;
  else view.keys[key](page, e);
  e.preventDefault();
}

/** Moves the focus by rows; windows draw the next ones as they come near. */
function step(by, from) {
  const rows = [...document.querySelectorAll('[data-row]')];
  if (!rows.length) return false;
  const at = rows.indexOf(from.closest?.('[data-row]'));
  const next = rows[at < 0 ? 0 : at + by];
  if (!next || (at < 0 && from !== document.body && from.id !== 'view')) return false;
  next.focus({ preventScroll: true });
  const box = next.getBoundingClientRect();
  if (box.top < 100) scrollBy(0, box.top - 140);
  else if (box.bottom > innerHeight - 20) scrollBy(0, box.bottom - innerHeight + 60);
  return true;
}

function close(page, view) {
  if (document.querySelector('.toast')) dismiss();
  else view.close?.(page);
}

export function help() {
  const box = h('dialog', { 'aria-labelledby': 'keys-title', on: { close: e => { e.currentTarget.remove(); morph(document.getElementById('float'), []); } } },
    h('h1', { id: 'keys-title' }, 'Keys'), h('dl', KEYS.map(([key, what]) => [h('dt', h('kbd', key)), h('dd.plain', what)])),
    h('label.check', h('input', { type: 'checkbox', checked: !off(), on: { change: e => { try { localStorage.setItem('campanile.keys', e.target.checked ? 'on' : 'off'); } catch { /* kept for this visit only */ } } } }), 'Single letters act'),
    h('form', { method: 'dialog' }, h('button.btn.pri', 'Close')));
  morph(document.getElementById('float'), [box]);
  box.showModal();
}
