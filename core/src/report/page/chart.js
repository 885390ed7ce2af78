// Charts in SVG, made by hand: one axis each.

const LEFT = 52;
const RIGHT = 6;

/** A round number not below: the top of an axis. */
function niceTop(max) {
  if (!(max > 0)) return 1;
  const power = 10 ** Math.floor(Math.log10(max));
  for (const step of [1, 1.5, 2, 3, 4, 5, 6, 8, 10]) if (step * power >= max) return step * power;
  return 10 * power;
}

/** The parts of an axis that are round numbers too. */
function niceLines(top) {
  const parts = { 1: 5, 2: 4, 3: 3, 4: 4, 5: 5, 6: 3, 8: 4 }[Math.round(top / 10 ** Math.floor(Math.log10(top) + 1e-9))] ?? 2;
  return Array.from({ length: parts }, (_, i) => (i + 1) / parts);
}

/** The same for bytes, in units of 1024. */
function niceBytes(max) {
  let unit = 1;
  while (max / unit >= 1000) unit *= 1024;
  return niceTop(max / unit) * unit;
}

const TICKS = [1, 5, 15, 30, 60, 300, 900, 1800, 3600, 3 * 3600, 6 * 3600, 12 * 3600, 86400, 2 * 86400, 7 * 86400, 14 * 86400];

/** Where the axis of time is marked: [at, label], on the wall clock's own marks. */
function timeTicks(clock, from, to, most) {
  const found = [];
  const step = TICKS.find((tick) => (to - from) / tick <= most);
  const at = (wall) => wall - clock.offset(wall - clock.offset(wall));
  if (!step) {
    const months = Math.ceil((to - from) / 2_629_746 / most);
    const first = clock.wall(from);
    for (let n = 0; n < 1200; n++) {
      const month = first.getUTCMonth() + 1 + n;
      if (month % months) continue;
      const wall = Date.UTC(first.getUTCFullYear(), month, 1) / 1000;
      if (at(wall) > to) break;
      const d = new Date(wall * 1000);
      found.push([at(wall), d.getUTCMonth() ? MONTHS[d.getUTCMonth()] : String(d.getUTCFullYear())]);
    }
    return found;
  }
  // The week begins on Monday; 1 January 1970 was a Thursday.
  const shift = step % (7 * 86400) === 0 ? 4 * 86400 : 0;
  const wall = from + clock.offset(from);
  for (let w = Math.ceil((wall - shift) / step) * step + shift; at(w) <= to; w += step) {
    const d = new Date(w * 1000);
    const midnight = w % 86400 === 0;
    const day = `${d.getUTCDate()} ${MONTHS[d.getUTCMonth()]}`;
    found.push([at(w), midnight ? day : `${two(d.getUTCHours())}:${two(d.getUTCMinutes())}${step < 60 ? `:${two(d.getUTCSeconds())}` : ""}`]);
  }
  return found;
}

/** The frame of a chart: where x and y are, and lines across at half and whole. */
function frame({ width, height, top, format, label, bottom = 0, left = LEFT, lines = [0.5, 1] }) {
  const node = svg("svg", { viewBox: `0 0 ${width} ${height + bottom}`, width, height: height + bottom, role: "img", "aria-label": label });
  const y = (value) => height - 1 - (Math.min(value, top) / top) * (height - 10);
  for (const part of lines) {
    const at = y(top * part);
    node.append(svg("line", { class: "grid", x1: left, x2: width - RIGHT, y1: at, y2: at }));
    node.append(svg("text", { class: "tick", x: left - 6, y: at + 3.5, "text-anchor": "end" }, format(top * part)));
  }
  node.append(svg("line", { class: "base", x1: left, x2: width - RIGHT, y1: height - 0.5, y2: height - 0.5 }));
  return { node, y };
}

/** One path for all bars: x from, x to, y from, y to. */
function bars(list) {
  let d = "";
  for (const [x1, x2, y1, y2] of list) {
    if (y1 === y2) continue;
    d += `M${x1.toFixed(1)} ${y1.toFixed(1)}V${y2.toFixed(1)}H${x2.toFixed(1)}V${y1.toFixed(1)}Z`;
  }
  return d;
}

/** Where the seconds of a domain are. */
function scale(domain, width, left = LEFT) {
  const room = width - left - RIGHT;
  const { from, to } = domain;
  const x = (at) => left + ((at - from) / (to - from)) * room;
  return { x, at: (px) => from + ((px - left) / room) * (to - from) };
}

/** Bars over time, one or stacked: `layers` is [[class, bucket => value]…], from the bottom up. */
function timeChart({ domain, width, height, layers, format, label, top, axis, clock, lines }) {
  const { x } = scale(domain, width);
  const { node, y } = frame({ width, height, top, format, label, bottom: axis ? 20 : 0, lines });
  const gap = (width - LEFT) / domain.buckets.length > 5 ? 1 : 0;
  const base = new Float64Array(domain.buckets.length);
  for (const [name, value] of layers) {
    const list = domain.buckets.map((bucket, i) => {
      const low = base[i];
      const high = low + value(bucket);
      base[i] = high;
      const x1 = x(bucket.at);
      // A bar is never too thin or too low to be seen.
      const x2 = Math.max(x(bucket.end) - gap, x1 + 0.6);
      const yLow = y(low) + (low === 0 ? 0.5 : 0);
      return [x1, x2, yLow, high > low ? Math.min(y(high), yLow - 0.8) : yLow];
    });
    node.append(svg("path", { class: name, d: bars(list) }));
  }
  if (axis) {
    for (const [at, text] of timeTicks(clock, domain.from, domain.to, Math.max(2, width / 64))) {
      const px = x(at);
      if (px < LEFT + 8 || px > width - 22) continue;
      node.append(svg("line", { class: "base", x1: px, x2: px, y1: height, y2: height + 4 }));
      node.append(svg("text", { class: "tick", x: px, y: height + 16, "text-anchor": "middle" }, text));
    }
  }
  return node;
}

/** Bars side by side: [{ label, value, title }], every nth labelled. */
function barChart({ width, height, list, format, label, every = 1, left = LEFT }) {
  const top = niceTop(Math.max(0, ...list.map((bar) => bar.value)));
  const { node, y } = frame({ width, height, top, format, label, bottom: 18, left });
  const step = Math.min(64, (width - left - RIGHT) / Math.max(1, list.length));
  let free = -Infinity; // where the next label may begin
  list.forEach((bar, i) => {
    const x = left + i * step;
    const rect = svg("rect", { class: bar.class ?? "fill", x: x + 1, width: Math.max(1, step - 2), y: bar.value ? Math.min(y(bar.value), height - 1.5) : height, height: bar.value ? Math.max(1, height - 0.5 - y(bar.value)) : 0, rx: 1 });
    // The whole height answers to the pointer.
    node.append(rect, svg("rect", { class: "catch", x, width: step, y: 0, height }, svg("title", null, bar.title)));
    const half = bar.label.length * 3.2;
    if (i % every || !bar.label || x + step / 2 - half < free) return;
    free = x + step / 2 + half + 4;
    node.append(svg("text", { class: "tick", x: x + step / 2, y: height + 14, "text-anchor": "middle" }, bar.label));
  });
  return node;
}

/** Seven days by twenty-four hours, darker for more. */
function heatMap({ width, grid, label, left = 34 }) {
  const row = 18;
  const step = (width - left - RIGHT) / 24;
  const node = svg("svg", { viewBox: `0 0 ${width} ${7 * row + 18}`, width, height: 7 * row + 18, role: "img", "aria-label": label });
  const top = Math.max(1, ...grid.flat());
  grid.forEach((hours, day) => {
    node.append(svg("text", { class: "tick", x: left - 6, y: day * row + 13, "text-anchor": "end" }, DAYS[day]));
    hours.forEach((n, hour) => {
      const cell = svg("rect", { class: n ? "fill" : "none", x: left + hour * step + 0.5, y: day * row + 0.5, width: Math.max(1, step - 1), height: row - 1, rx: 2 },
        svg("title", null, `${DAYS[day]} ${two(hour)}:00–${two(hour)}:59: ${exact(n)} requests`));
      if (n) cell.style.setProperty("fill-opacity", (0.1 + (0.9 * n) / top).toFixed(3));
      node.append(cell);
    });
  });
  for (let hour = 0; hour < 24; hour += width < 420 ? 6 : 3) {
    node.append(svg("text", { class: "tick", x: left + (hour + 0.5) * step, y: 7 * row + 14, "text-anchor": "middle" }, two(hour)));
  }
  return node;
}

/** A line for the last seconds, without an axis. */
function sparkline(values, width, height, label) {
  const node = svg("svg", { class: "spark", viewBox: `0 0 ${width} ${height}`, width, height, role: "img", "aria-label": label });
  const top = Math.max(1, ...values);
  const step = width / Math.max(1, values.length);
  node.append(svg("path", { class: "fill", d: bars(values.map((n, i) => [i * step, (i + 1) * step - 0.5, height, n ? Math.min(height - 1, height - (n / top) * height) : height])) }));
  return node;
}
