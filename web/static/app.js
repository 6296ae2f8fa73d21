// Enhancement only: every fact is on the page without this file.
const d = document, root = d.documentElement, $ = s => d.querySelector(s);
root.classList.add('js');
const two = n => String(n).padStart(2, '0');
const M = 'Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec'.split(' ');
let local = false;
const zone = t => {
  if (!local) return 'UTC';
  const o = -t.getTimezoneOffset(), a = Math.abs(o);
  return 'UTC' + (o < 0 ? '\u2212' : '+') + two(a / 60 | 0) + ':' + two(a % 60);
};
const show = (t, f) => {
  const g = local ? t : new Date(+t + t.getTimezoneOffset() * 6e4); // its local fields are then those of UTC
  const hm = two(g.getHours()) + ':' + two(g.getMinutes()), z = '\u00a0' + zone(t);
  if (f === 'hm') return hm + (local ? z : '');
  if (f === 'hmz') return hm + z;
  if (f === 'hms0') return hm + ':' + two(g.getSeconds());
  if (f === 'hms') return hm + ':' + two(g.getSeconds()) + z;
  return g.getDate() + ' ' + M[g.getMonth()] + ' ' + g.getFullYear() + ', ' + hm + z;
};
try { const v = localStorage.getItem('theme'); if (v === 'dark' || v === 'light') root.dataset.theme = v; } catch {}
$('#theme').onclick = () => {
  const dark = root.dataset.theme ? root.dataset.theme === 'dark' : matchMedia('(prefers-color-scheme:dark)').matches;
  root.dataset.theme = dark ? 'light' : 'dark';
  try { localStorage.setItem('theme', root.dataset.theme); } catch {}
};
$('#tz').onclick = e => {
  local = !local;
  e.currentTarget.setAttribute('aria-pressed', local);
  e.currentTarget.textContent = local ? zone(new Date()) : 'UTC';
  for (const t of d.querySelectorAll('time[data-f]')) t.textContent = show(new Date(t.dateTime), t.dataset.f);
};
const copy = $('#copy');
if (copy) copy.onclick = async () => {
  await navigator.clipboard.writeText($('#citetext').textContent);
  const old = copy.textContent;
  copy.textContent = copy.dataset.done;
  setTimeout(() => { copy.textContent = old; }, 1500);
};
const fig = $('#ts[data-src]');
if (fig) { // cross-hair by pointer or arrow keys; the data are fetched on first use
  const cross = fig.querySelector('.cross'), tip = fig.querySelector('.tip'), plot = fig.querySelector('.plot');
  const from = Date.parse(fig.dataset.from), until = Date.parse(fig.dataset.until);
  let s, i = 0, wait;
  const load = () => wait ??= fetch(fig.dataset.src).then(r => r.json()).then(j => { s = j.series[0]; i = s.t.length - 1; });
  const n = (v, of, w) => v == null ? w + ': –' : v.toLocaleString('en') + ' of ' + of.toLocaleString('en') + ' ' + w;
  const draw = () => {
    const b = fig.getBoundingClientRect(), p = plot.getBoundingClientRect(), f = (s.t[i] * 1e3 - from) / (until - from), x = p.left - b.left + f * p.width;
    cross.hidden = tip.hidden = false;
    cross.style.left = x + 'px';
    tip.textContent = show(new Date(s.t[i] * 1e3)) + '\n' + n(s.prefixes_visible[i], s.prefixes_observable[i], 'prefixes') + '\n' + n(s.units_visible[i], s.units_observable[i], s.unit === 'slash24' ? '/24 blocks' : '/48 blocks') + '\n' + s.networks_voting[i] + ' networks voting';
    tip.style.left = (f > .55 ? x - tip.offsetWidth - 10 : x + 10) + 'px';
  };
  const go = k => { i = Math.max(0, Math.min(s.t.length - 1, k)); draw(); };
  fig.onpointermove = async e => {
    const x = e.clientX;
    await load();
    const p = plot.getBoundingClientRect(), t = (from + (x - p.left) / p.width * (until - from)) / 1e3;
    let k = s.t.findIndex(v => v > t);
    go(k < 0 ? s.t.length - 1 : k - 1);
  };
  fig.onpointerleave = fig.onblur = () => { cross.hidden = tip.hidden = true; };
  fig.onkeydown = async e => {
    const k = { ArrowLeft: -1, ArrowRight: 1, PageUp: -30, PageDown: 30, Home: -1e6, End: 1e6 }[e.key];
    if (!k) return;
    e.preventDefault();
    await load();
    go(i + k);
  };
}
