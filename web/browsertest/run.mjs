// Opens every page in Chromium, light, dark, narrow and without scripts, and reports what is wrong as JSON lines.
// Usage: node run.mjs BASE_URL PATH...   SHOTS=DIR also writes a picture of each.
import { chromium } from 'playwright-core';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const [base, ...paths] = process.argv.slice(2);
const shots = process.env.SHOTS;
const modes = [
  { name: 'light', width: 1360, height: 900, colorScheme: 'light' },
  { name: 'dark', width: 1360, height: 900, colorScheme: 'dark' },
  { name: 'narrow', width: 390, height: 844, colorScheme: 'light', scale: 2 },
  { name: 'nojs', width: 1360, height: 900, colorScheme: 'light', script: false },
];
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM || '/usr/bin/chromium',
  args: ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'],
});
const origin = new URL(base).origin;
async function look(mode) {
  for (const path of paths) {
    const found = [];
    const context = await browser.newContext({
      viewport: { width: mode.width, height: mode.height }, deviceScaleFactor: mode.scale ?? 1, colorScheme: mode.colorScheme,
      javaScriptEnabled: mode.script !== false, timezoneId: 'Asia/Karachi', bypassCSP: false,
    });
    const page = await context.newPage();
    page.on('console', m => { if (m.type() === 'error') found.push('console: ' + m.text()); });
    page.on('pageerror', e => found.push('script: ' + e));
    page.on('request', r => { if (!r.url().startsWith(origin + '/') && !r.url().startsWith('data:')) found.push('request to another host: ' + r.url()); });
    if (mode.script !== false) {
      await page.addInitScript(() => {
        window.shift = [];
        new PerformanceObserver(l => { for (const e of l.getEntries()) window.shift.push(e.value.toFixed(5) + ' ' + e.sources.map(s => s.node?.nodeName + '.' + (s.node?.className?.baseVal ?? s.node?.className)).join(' ')); }).observe({ type: 'layout-shift', buffered: true });
      });
    }
    const response = await page.goto(base + path, { waitUntil: 'load' });
    if (response.status() !== 200) found.push('status ' + response.status());
    const session = await context.newCDPSession(page);
    if (mode.script !== false) {
      await page.waitForTimeout(120);
      const m = await page.evaluate(() => ({ shift: window.shift, wide: document.documentElement.scrollWidth, room: innerWidth }));
      for (const e of m.shift) found.push('layout shift ' + e);
      if (m.wide > m.room) found.push(`horizontal scroll: ${m.wide} in ${m.room}`);
      // axe runs in an isolated world, which the page's Content-Security-Policy does not reach and does not need to be weakened for.
      const { frameTree } = await session.send('Page.getFrameTree');
      const world = await session.send('Page.createIsolatedWorld', { frameId: frameTree.frame.id, worldName: 'axe' });
      const at = { contextId: world.executionContextId };
      await session.send('Runtime.evaluate', { expression: axe, ...at });
      const { result } = await session.send('Runtime.evaluate', { expression: 'axe.run(document).then(r => JSON.stringify({violations: r.violations, passes: r.passes.length}))', awaitPromise: true, returnByValue: true, ...at });
      const r = JSON.parse(result.value);
      if (r.passes < 10) found.push('axe checked only ' + r.passes + ' rules');
      for (const v of r.violations) found.push(`axe ${v.id} (${v.impact}): ` + v.nodes.slice(0, 4).map(n => n.target.join(' ') + ' ' + (n.any[0]?.message ?? '')).join(' | '));
    } else {
      const { cssContentSize: size } = await session.send('Page.getLayoutMetrics');
      if (size.width > mode.width) found.push(`horizontal scroll: ${size.width} in ${mode.width}`);
    }
    if (mode.name === 'light' && await page.locator('#ts[data-src]').count()) { // the cross-hair works by keyboard
      await page.focus('#ts');
      await page.keyboard.press('End');
      const tip = page.locator('.tip');
      await tip.waitFor({ state: 'visible', timeout: 5000 }).catch(() => found.push('cross-hair does not answer to the keyboard'));
      if (!(await tip.textContent())?.includes('prefixes')) found.push('cross-hair says nothing');
      await page.locator('#ts').blur();
      await page.click('#tz');
      if (!(await page.textContent('#tz'))?.includes('+05:00')) found.push('local time does not show its offset');
      await page.click('#tz');
    }
    if (shots) await page.screenshot({ path: `${shots}/${process.env.PREFIX ?? ""}${mode.name}-${path.replace(/[^A-Za-z0-9]+/g, '_') || 'root'}.png`, fullPage: true });
    console.log(JSON.stringify({ mode: mode.name, path, found }));
    await context.close();
  }
}
await Promise.all(modes.map(look));
await browser.close();
