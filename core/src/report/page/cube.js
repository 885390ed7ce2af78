// The cube: decoded, added to, filtered, summed up. Pure: no DOM.
// A view is what the panels draw: the report's own shape, from the report itself or from the cells under a filter.

/** Dimensions with a dictionary: name in a filter → dictionary of the meta data. */
const DICTIONARIES = {
  url: "urls", host: "hosts", status: "statuses", method: "methods",
  protocol: "protocols", type: "types", referer: "referers", agent: "agents",
};
const OTHER = 0;
const NONE = 1;
const FIRST = 2; // the code of a dictionary's first entry

const CLASSES = ["other", "1xx", "2xx", "3xx", "4xx", "5xx"];
const classOf = (status) => (status >= 100 && status < 600 ? Math.floor(status / 100) : 0);

/** Base64 → bytes. */
function fromBase64(text) {
  if (Uint8Array.fromBase64) return Uint8Array.fromBase64(text);
  const raw = atob(text);
  const bytes = new Uint8Array(raw.length);
  for (let i = 0; i < raw.length; i++) bytes[i] = raw.charCodeAt(i);
  return bytes;
}

/** Bytes of raw deflate → bytes. */
async function inflate(bytes) {
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate-raw"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

/** Columns of cells that grow. */
class Cells {
  constructor(names) {
    this.names = names;
    this.length = 0;
    this.columns = {};
    for (const name of names) this.columns[name] = new (Cells.type(name))(0);
  }

  static type(name) {
    if (name === "bytes") return Float64Array;
    return name === "bucket" || name === "host" || name === "requests" ? Uint32Array : Uint16Array;
  }

  /** Add `count` cells, column after column, from `at` in LEB128; says where they end. */
  read(bytes, at, count) {
    const length = this.length + count;
    for (const name of this.names) {
      if (this.columns[name].length < length) {
        const grown = new (Cells.type(name))(this.length ? Math.ceil(length * 1.5) : length);
        grown.set(this.columns[name].subarray(0, this.length));
        this.columns[name] = grown;
      }
      const column = this.columns[name];
      let before = 0;
      for (let i = this.length; i < length; i++) {
        let value = bytes[at++];
        if (value > 127) {
          value &= 127;
          let scale = 128;
          for (;;) {
            const byte = bytes[at++];
            value += (byte & 127) * scale;
            if (!(byte > 127)) break;
            scale *= 128;
          }
        }
        if (name === "bucket") value = before += value;
        column[i] = value;
      }
    }
    if (at > bytes.length) throw new Error("the cube ends early");
    this.length = length;
    return at;
  }
}

class Cube {
  /** From the meta data and the inflated columns. */
  constructor(meta, bytes) {
    this.meta = meta;
    this.cells = new Cells(meta.columns);
    this.sample = new Cells(meta.sample.columns);
    const at = this.cells.read(bytes, 0, meta.cells);
    this.sample.read(bytes, at, meta.sample.cells);
    this.codes = {};
    this.wholeView = null; // what `whole` has made of it
    for (const [name, dictionary] of Object.entries(DICTIONARIES)) {
      this.codes[name] = new Map((meta[dictionary] ?? []).map((entry, i) => [entry, i + FIRST]));
    }
    this.classes = Uint8Array.from([0, 0, ...meta.statuses.map(classOf)]);
  }

  /** Cells that came later: { cells, sample, starts?, local?, names? } and their columns. New names stand behind the others. */
  append(delta, bytes) {
    for (const [name, dictionary] of Object.entries(DICTIONARIES)) {
      for (const entry of delta.names?.[dictionary] ?? []) this.codes[name].set(entry, this.meta[dictionary].push(entry) - 1 + FIRST);
    }
    this.classes = Uint8Array.from([0, 0, ...this.meta.statuses.map(classOf)]);
    this.wholeView = null;
    if (delta.starts) this.meta.starts.push(...delta.starts);
    if (delta.local) this.meta.local.push(...delta.local);
    const at = this.cells.read(bytes, 0, delta.cells);
    this.sample.read(bytes, at, delta.sample ?? 0);
  }

  /** An array of zeros, the same one each time that it is asked for: what a click needs is not made anew at each. */
  scratch(name, type, length) {
    this.arrays ??= new Map();
    let found = this.arrays.get(name);
    if (found && found.length >= length) found.fill(0);
    else this.arrays.set(name, (found = new type(length)));
    return found;
  }

  /** The buckets that begin in [from, to): the first, and the one after the last. */
  range(filter) {
    const { starts } = this.meta;
    const lo = filter.from === undefined ? 0 : lowerBound(starts, filter.from);
    const hi = filter.to === undefined ? starts.length : lowerBound(starts, filter.to);
    return [lo, Math.max(lo, hi)];
  }

  /** The numbers of the cells that a filter leaves; `null` where a dimension is not in these cells. */
  select(cells, filter) {
    const [lo, hi] = this.range(filter);
    const tests = [];
    for (const name of Object.keys(DICTIONARIES)) {
      if (filter[name] === undefined) continue;
      if (!cells.columns[name] || (name === "host" && cells === this.sample)) return null;
      tests.push([cells.columns[name], this.codes[name].get(filter[name]) ?? -1]);
    }
    const { bucket, status } = cells.columns;
    const wanted = filter.class;
    const picked = this.scratch(cells === this.cells ? "cells" : "sample", Uint32Array, cells.length);
    let count = 0;
    next: for (let i = 0; i < cells.length; i++) {
      if (bucket[i] < lo || bucket[i] >= hi) continue;
      if (wanted !== undefined && this.classes[status[i]] !== wanted) continue;
      for (const [column, code] of tests) if (column[i] !== code) continue next;
      picked[count++] = i;
    }
    return picked.subarray(0, count);
  }
}

/** The first index whose value is not below. */
function lowerBound(sorted, value) {
  let lo = 0;
  let hi = sorted.length;
  while (lo < hi) {
    const middle = (lo + hi) >> 1;
    if (sorted[middle] < value) lo = middle + 1;
    else hi = middle;
  }
  return lo;
}

/** How many distinct hosts each of `groups` has: bounded by the named ones, estimated from the sample between. */
class Distinct {
  constructor(cube, name, groups) {
    const { host } = cube.sample.columns;
    this.rate = cube.meta.sample.rate;
    this.named = cube.meta.hosts.length + FIRST;
    this.seen = cube.scratch(`seen ${name}`, Uint8Array, groups * this.named);
    this.least = cube.scratch(`least ${name}`, Uint32Array, groups);
    this.unnamed = cube.scratch(`unnamed ${name}`, Float64Array, groups); // requests of hosts without a name
    this.width = 1;
    for (let i = 0; i < cube.sample.length; i++) if (host[i] >= this.width) this.width = host[i] + 1;
    this.sampled = cube.scratch(`sampled ${name}`, Uint8Array, (groups * this.width + 7) >> 3); // bits
    this.hits = cube.scratch(`hits ${name}`, Uint32Array, groups);
  }

  cell(group, host, requests) {
    if (host === OTHER) this.unnamed[group] += requests;
    else if (!this.seen[group * this.named + host]) {
      this.seen[group * this.named + host] = 1;
      if (host !== NONE) this.least[group] += 1;
    }
  }

  sampleOf(group, host) {
    const at = group * this.width + host;
    const bit = 1 << (at & 7);
    if (this.sampled[at >> 3] & bit) return;
    this.sampled[at >> 3] |= bit;
    this.hits[group] += 1;
  }

  /** A number where it is known, { n, error, least, most } where it is estimated. */
  of(group, hasSample) {
    const least = this.least[group] + (this.unnamed[group] ? 1 : 0);
    const most = this.least[group] + this.unnamed[group];
    if (least === most) return least;
    // What is sampled tells URLs and statuses apart, and nothing else.
    if (!hasSample) return { n: Math.round((least + most) / 2), error: most - least, least, most, vague: true };
    const n = this.hits[group] * this.rate;
    if (this.rate === 1) return n;
    const error = Math.sqrt(Math.max(1, this.hits[group]) * this.rate * (this.rate - 1));
    // Of fewer than these no estimate is worth its name: then the bounds are what is known.
    const vague = this.hits[group] < 4;
    return { n: Math.min(Math.max(n, least), most), error: Math.max(1, Math.round(error)), least, most, vague };
  }
}

/** Requests and more, summed by the codes of a dimension. */
function sums(cube, picked, name) {
  const column = cube.cells.columns[name];
  const entries = cube.meta[DICTIONARIES[name]];
  if (!column || !entries) return null;
  const { requests, bytes, status } = cube.cells.columns;
  const length = entries.length + FIRST;
  const found = { entries, requests: new Float64Array(length), bytes: new Float64Array(length), errors: new Float64Array(length) };
  const [r, b, e] = [found.requests, found.bytes, found.errors];
  const { classes } = cube;
  for (let at = 0; at < picked.length; at++) {
    const i = picked[at];
    const code = column[i];
    r[code] += requests[i];
    b[code] += bytes[i];
    if (classes[status[i]] >= 4) e[code] += requests[i];
  }
  return found;
}

/** The rows of a list: entries with requests, then none and others, the most requests first. */
function rowsOf(sum, row) {
  const rows = [];
  for (let code = FIRST; code < sum.requests.length; code++) {
    if (sum.requests[code]) rows.push(row(sum.entries[code - FIRST], code));
  }
  if (sum.requests[NONE]) rows.push(row(null, NONE));
  rows.sort((a, b) => b.requests - a.requests || (a.name === null) - (b.name === null) || (a.name < b.name ? -1 : 1));
  return rows;
}

/** URLs by requests of some statuses. */
function failing(cube, picked, test) {
  const { url, requests, status } = cube.cells.columns;
  const wanted = Uint8Array.from([0, 0, ...cube.meta.statuses.map((s) => (test(s) ? 1 : 0))]);
  const counts = new Float64Array(cube.meta.urls.length + FIRST);
  for (let at = 0; at < picked.length; at++) {
    const i = picked[at];
    if (wanted[status[i]]) counts[url[i]] += requests[i];
  }
  const sum = { entries: cube.meta.urls, requests: counts };
  return { rows: rowsOf(sum, (name, code) => ({ name, requests: counts[code] })).filter((row) => row.name !== null) };
}

/** Everything that the panels draw, from the cells under a filter. */
function aggregate(cube, report, filter) {
  const { meta } = cube;
  const picked = cube.select(cube.cells, filter);
  const sampled = cube.select(cube.sample, filter);
  const { bucket, url, host, status, size: sizes, requests, bytes } = cube.cells.columns;
  const [lo, hi] = cube.range(filter);
  const view = {
    filtered: true, requests: 0, bytes: 0, client_errors: 0, server_errors: 0,
    // Seconds and minutes the cells do not know.
    peak: { second: null, minute: null }, busiest: null,
  };

  const buckets = [];
  for (let b = 0; b < meta.starts.length; b++) {
    buckets.push({ at: meta.starts[b], requests: 0, bytes: 0, hosts: 0, classes: null });
  }
  // Of a range of time alone the report knows each bucket's hosts.
  const timeAlone = Object.keys(filter).every((key) => key === "from" || key === "to");
  const known = new Map(timeAlone && meta.step === report.time.step ? report.time.buckets.map((b) => [b.at, b.hosts]) : []);
  const hosts = sums(cube, picked, "host");
  const whole = new Distinct(cube, "all", 1);
  whole.unnamed[0] = hosts.requests[OTHER];
  for (let code = FIRST; code < hosts.requests.length; code++) if (hosts.requests[code]) whole.least[0] += 1;
  const byUrl = new Distinct(cube, "url", meta.urls.length + FIRST);
  const byBucket = new Distinct(cube, "bucket", meta.starts.length);
  const sizeCounts = new Float64Array(66);
  const { classes } = cube;
  // By bucket, in arrays: objects are made of them once.
  const requestsAt = new Float64Array(buckets.length);
  const bytesAt = new Float64Array(buckets.length);
  const classesAt = new Float64Array(buckets.length * 6);
  for (let p = 0; p < picked.length; p++) {
    const i = picked[p];
    const n = requests[i];
    const at = bucket[i];
    requestsAt[at] += n;
    bytesAt[at] += bytes[i];
    classesAt[at * 6 + classes[status[i]]] += n;
    sizeCounts[sizes[i]] += n;
    byUrl.cell(url[i], host[i], n);
    if (!known.size) byBucket.cell(at, host[i], n);
  }
  buckets.forEach((b, at) => {
    b.requests = requestsAt[at];
    b.bytes = bytesAt[at];
    b.classes = Array.from(classesAt.subarray(at * 6, at * 6 + 6));
    view.requests += b.requests;
    view.bytes += b.bytes;
    view.client_errors += b.classes[4];
    view.server_errors += b.classes[5];
  });
  if (sampled) {
    const { columns } = cube.sample;
    for (let p = 0; p < sampled.length; p++) {
      const i = sampled[p];
      whole.sampleOf(0, columns.host[i]);
      byUrl.sampleOf(columns.url[i], columns.host[i]);
      if (!known.size) byBucket.sampleOf(columns.bucket[i], columns.host[i]);
    }
  }
  const counted = sampled !== null;
  view.unique_hosts = whole.of(0, counted);

  buckets.forEach((b, i) => {
    b.hosts = known.size ? (known.get(b.at) ?? 0) : byBucket.of(i, counted);
    if (b.requests && (!view.busiest || b.requests > view.busiest.requests)) view.busiest = { at: b.at, requests: b.requests };
  });
  view.time = { step: meta.step, buckets: buckets.slice(lo, hi) };
  // A range that has the report's busiest second has the busiest of its own.
  const inside = (peak) => timeAlone && peak && peak.at >= (filter.from ?? -Infinity) && peak.at < (filter.to ?? Infinity);
  for (const name of ["second", "minute"]) if (inside(report.peak?.[name])) view.peak[name] = report.peak[name];

  const urls = sums(cube, picked, "url");
  const row = (sum) => (name, code) => ({ name, requests: sum.requests[code], bytes: sum.bytes[code], errors: sum.errors[code] });
  view.urls = {
    rows: rowsOf(urls, (name, code) => ({ ...row(urls)(name, code), hosts: byUrl.of(code, counted) })).filter((r) => r.name !== null),
  };
  view.hosts = { rows: rowsOf(hosts, row(hosts)).filter((r) => r.name !== null) };
  view.not_found = failing(cube, picked, (s) => s === 404);
  view.failed = failing(cube, picked, (s) => classOf(s) === 5);

  const statuses = sums(cube, picked, "status");
  view.statuses = rowsOf(statuses, row(statuses)).map(({ name, ...rest }) => ({ status: name, ...rest }));
  view.statuses.sort((a, b) => (a.status ?? 1000) - (b.status ?? 1000));
  for (const name of ["method", "protocol", "type", "referer", "agent"]) {
    const plural = DICTIONARIES[name];
    const sum = sums(cube, picked, name);
    if (!sum || !report[plural]) {
      view[plural] = null;
      continue;
    }
    const rows = rowsOf(sum, row(sum));
    const other = sum.requests[OTHER];
    if (Array.isArray(report[plural])) {
      if (other) rows.push({ name: "(other)", requests: other, bytes: sum.bytes[OTHER], rest: true });
      view[plural] = rows;
    } else view[plural] = { rows };
  }

  view.hours = null;
  if (meta.local.length === 0 || meta.local[0][1] !== null) {
    view.hours = Array.from({ length: 7 }, () => new Array(24).fill(0));
    for (let b = lo; b < hi; b++) view.hours[meta.local[b][0]][meta.local[b][1]] += buckets[b].requests;
  }
  view.sizes = [];
  sizeCounts.forEach((n, code) => {
    if (!n) return;
    const from = code === 0 ? null : code === 1 ? 0 : 2 ** (code - 2);
    view.sizes.push({ from, to: from === null ? null : from === 0 ? 0 : 2 * from - 1, requests: n });
  });
  return view;
}

/** The report as a view: its lists made longer by what the cube knows beyond the first few. */
function whole(report, cube) {
  const view = { ...report, filtered: false, busiest: null };
  for (const name of ["urls", "hosts", "not_found", "failed", "referers", "agents"]) {
    const list = report[name];
    if (!list) continue;
    view[name] = { ...list, rows: list.rows.slice() };
  }
  if (cube) {
    const all = (cube.wholeView ??= aggregate(cube, report, {}));
    for (const name of ["urls", "hosts", "not_found", "failed", "referers", "agents"]) {
      if (!view[name] || !all[name]) continue;
      const known = new Set(view[name].rows.map((row) => row.name));
      view[name].rows.push(...all[name].rows.filter((row) => !known.has(row.name)));
      view[name].rows.sort((a, b) => b.requests - a.requests);
    }
  }
  return view;
}

/** Requests in every bucket under a filter, its range of time left out. */
function requestsOver(cube, filter) {
  const { from, to, ...rest } = filter;
  const { bucket, requests } = cube.cells.columns;
  const counts = new Float64Array(cube.meta.starts.length);
  const picked = cube.select(cube.cells, rest);
  for (let p = 0; p < picked.length; p++) counts[bucket[picked[p]]] += requests[picked[p]];
  return counts;
}

/** Buckets without gaps, each with its end: what a chart over time is drawn from. */
function domainOf({ step, buckets }) {
  if (!buckets.length) return { from: 0, to: step, step, buckets: [] };
  const list = [];
  for (const bucket of buckets) {
    // A day of 25 hours is no gap.
    for (let last = list.at(-1)?.at; last !== undefined && bucket.at - last > 1.5 * step; last += step) {
      list.push({ ...NOTHING, at: last + step });
      if (bucket.at - last - step <= 1.5 * step) break;
    }
    list.push({ ...NOTHING, ...bucket });
  }
  list.forEach((bucket, i) => (bucket.end = list[i + 1]?.at ?? bucket.at + step));
  return { from: list[0].at, to: list.at(-1).end, step, buckets: list };
}

const NOTHING = { requests: 0, bytes: 0, hosts: 0, classes: [0, 0, 0, 0, 0, 0] };

/** The part of it that has something of [from, to), in whole buckets. */
function within(domain, from = -Infinity, to = Infinity) {
  const buckets = domain.buckets.filter((bucket) => bucket.end > from && bucket.at < to);
  if (!buckets.length) return { ...domain, from: domain.from, to: domain.from, buckets };
  return { ...domain, from: buckets[0].at, to: buckets.at(-1).end, buckets };
}
