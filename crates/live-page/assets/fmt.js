// Numbers, durations and times in the page's words. Unknown is an en dash, never 0.

const NB = '\u00a0', NNB = '\u202f';
const small = matchMedia('(max-width: 760px)');
export const isSmall = () => small.matches;

export const count = n => n == null ? '–' : n >= 1e7 ? (n / 1e6).toFixed(1) + NB + 'M' : Math.round(n).toString().replace(/\B(?=(\d{3})+$)/g, NNB);

export function pct(share, digits = 2) {
  if (share == null) return '–';
  const shown = +(100 * share).toFixed(digits);
  return (share > 0 && shown === 0 ? '<' + NB + 10 ** -digits : String(shown)) + NB + '%';
}

/** A duration from milliseconds. */
export function dur(ms) {
  if (ms == null || Number.isNaN(ms)) return '–';
  if (ms === 0) return '0';
  if (ms < 0.9995) return Math.round(ms * 1000) + NB + 'µs';
  if (ms < 9.95) return ms.toFixed(1) + NB + 'ms';
  if (ms < 999.5) return Math.round(ms) + NB + 'ms';
  if (ms < 59995) return (ms / 1000).toFixed(2) + NB + 's';
  const whole = Math.round(ms / 1000);
  if (whole < 3600) return Math.floor(whole / 60) + NB + 'min' + NB + whole % 60 + NB + 's';
  return Math.floor(whole / 3600) + NB + 'h' + NB + Math.floor(whole % 3600 / 60) + NB + 'min';
}

/** How long, in one unit. */
export const held = ms => ms < 60000 ? Math.round(ms / 1000) + NB + 's' : ms < 7.2e6 ? Math.floor(ms / 60000) + NB + 'min' : Math.floor(ms / 3.6e6) + NB + 'h';

export const tick = ms => ms < 1 ? ms * 1000 + NB + 'µs' : ms < 1000 ? ms + NB + 'ms' : ms / 1000 + NB + 's';
export const rate = perSecond => perSecond == null ? '–' : perSecond >= 100 ? count(perSecond) : perSecond >= 0.1 || perSecond === 0 ? perSecond.toFixed(1) : perSecond.toFixed(2);
export const bytes = n => n < 1024 ? n + NB + 'B' : n < 1048576 ? Math.round(n / 1024) + NB + 'KiB' : (n / 1048576).toFixed(n < 1e7 ? 1 : 0) + NB + 'MiB';
export const plural = (n, one, many = one + 's') => count(n) + NB + (n === 1 ? one : many);

const pad = (n, width = 2) => String(n).padStart(width, '0');
export const hm = ms => { const d = new Date(ms); return pad(d.getHours()) + ':' + pad(d.getMinutes()); };
export const hms = ms => hm(ms) + ':' + pad(new Date(ms).getSeconds());
export const clock = ms => hms(ms) + '.' + pad(Math.floor(ms % 1000), 3);
export const utc = ms => new Date(ms).toISOString().replace('T', ' ').replace('Z', ' UTC');
export const ago = (ms, now) => ms == null ? '–' : now - ms < 1000 ? 'now' : held(now - ms) + ' ago';

/** Text from telemetry: control and bidirectional characters become visible escapes. */
const HIDDEN = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\u{e0000}-\u{e007f}]/gu;
export const safe = text => String(text).replace(HIDDEN, c => '\\u' + pad(c.codePointAt(0).toString(16), 4));

export const axisX = (value, lo, hi) => Math.max(0, Math.min(1, Math.log(value / lo) / Math.log(hi / lo)));
