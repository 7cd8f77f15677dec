// A picture of series over time, as SVG: panels below each other, one legend, a light ground.

const WIDTH = 960;
const LEFT = 64;
const RIGHT = 24;
const PANEL = 150;
const GAP = 56;
const TOP = 98;
// Told apart also by those who do not see red and green (Okabe and Ito).
const COLOURS = ['#0072b2', '#d55e00', '#009e73', '#cc79a7', '#e69f00', '#56b4e9', '#5b5b5b'];

const escaped = (text) => String(text).replace(/[&<>]/g, (c) => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;' })[c]);

// A step of 1, 2 or 5 times a power of ten, so that about `count` of them fill the range.
function niceStep(range, count) {
  const raw = range / count;
  const power = 10 ** Math.floor(Math.log10(raw));
  return [1, 2, 5, 10].map((factor) => factor * power).find((step) => step >= raw);
}

const number = (value) => (Math.abs(value) >= 1000 ? value.toLocaleString('en-US') : String(Number(value.toFixed(2))));

function panel({ title, unit, series }, index, end, warmUp, colourOf) {
  const top = TOP + index * (PANEL + GAP);
  const most = Math.max(1e-9, ...series.flatMap(({ points }) => points.map(([, y]) => y)));
  const step = niceStep(most, 4);
  const high = Math.ceil((most * 1.02) / step) * step;
  const x = (minutes) => LEFT + (minutes / end) * (WIDTH - LEFT - RIGHT);
  const y = (value) => top + PANEL - (value / high) * PANEL;
  const out = [`<text x="${LEFT}" y="${top - 10}" class="title">${escaped(title)} <tspan class="unit">${escaped(unit)}</tspan></text>`];
  out.push(`<rect x="${LEFT}" y="${top}" width="${x(warmUp) - LEFT}" height="${PANEL}" class="warm"/>`);
  for (let value = 0; value <= high * 1.0001; value += step) {
    out.push(`<line x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${y(value)}" y2="${y(value)}" class="grid"/>`);
    out.push(`<text x="${LEFT - 8}" y="${y(value) + 4}" class="tick" text-anchor="end">${number(value)}</text>`);
  }
  const minutes = Math.max(niceStep(end, 8), end < 8 ? 0.5 : 1);
  for (let at = 0; at <= end * 1.0001; at += minutes) {
    out.push(`<text x="${x(at)}" y="${top + PANEL + 17}" class="tick" text-anchor="middle">${number(at)}</text>`);
  }
  for (const { name, points } of series) {
    const path = points.map(([at, value]) => `${x(at).toFixed(1)},${y(value).toFixed(1)}`).join(' ');
    out.push(`<polyline points="${path}" stroke="${colourOf(name)}"/>`);
  }
  return out.join('\n');
}

// panels: [{ title, unit, series: [{ name, points: [[minutes, value], …] }] }]
export function picture({ title, subtitle, panels, warmUp }) {
  const names = [...new Set(panels.flatMap(({ series }) => series.map(({ name }) => name)))];
  const colourOf = (name) => COLOURS[names.indexOf(name) % COLOURS.length];
  const end = Math.max(...panels.flatMap(({ series }) => series.flatMap(({ points }) => points.map(([at]) => at))));
  const height = TOP + panels.length * (PANEL + GAP) + 30;
  let at = LEFT;
  const legend = names.map((name) => {
    const item =
      `<line x1="${at}" x2="${at + 22}" y1="${height - 18}" y2="${height - 18}" stroke="${colourOf(name)}" stroke-width="3"/>` +
      `<text x="${at + 28}" y="${height - 14}" class="tick">${escaped(name)}</text>`;
    at += 28 + name.length * 7 + 26;
    return item;
  });
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" role="img" aria-label="${escaped(title)}">
<style>
text { font-family: system-ui, 'Segoe UI', 'DejaVu Sans', sans-serif; fill: #1f2430; }
.head { font-size: 19px; font-weight: 600; }
.sub, .tick { font-size: 12px; fill: #5a6170; }
.title { font-size: 14px; font-weight: 600; }
.unit { font-weight: 400; fill: #5a6170; }
.grid { stroke: #e3e6ec; stroke-width: 1; }
.warm { fill: #f3f4f7; }
polyline { fill: none; stroke-width: 1.8; stroke-linejoin: round; }
</style>
<rect width="${WIDTH}" height="${height}" fill="#ffffff"/>
<text x="${LEFT}" y="32" class="head">${escaped(title)}</text>
<text x="${LEFT}" y="52" class="sub">${escaped(subtitle)}</text>
${panels.map((each, index) => panel(each, index, end, warmUp, colourOf)).join('\n')}
${legend.join('\n')}
</svg>
`;
}
