// The panels: each draws a view into its body.

const STATUS_NAMES = {
  100: "Continue", 101: "Switching Protocols", 200: "OK", 201: "Created", 202: "Accepted", 204: "No Content", 206: "Partial Content",
  301: "Moved Permanently", 302: "Found", 303: "See Other", 304: "Not Modified", 307: "Temporary Redirect", 308: "Permanent Redirect",
  400: "Bad Request", 401: "Unauthorized", 403: "Forbidden", 404: "Not Found", 405: "Method Not Allowed", 406: "Not Acceptable",
  408: "Request Timeout", 409: "Conflict", 410: "Gone", 411: "Length Required", 413: "Content Too Large", 414: "URI Too Long",
  416: "Range Not Satisfiable", 418: "I'm a Teapot", 421: "Misdirected Request", 422: "Unprocessable Content", 426: "Upgrade Required",
  429: "Too Many Requests", 431: "Header Fields Too Large", 444: "No Response", 499: "Client Closed Request",
  500: "Internal Server Error", 501: "Not Implemented", 502: "Bad Gateway", 503: "Service Unavailable", 504: "Gateway Timeout",
};
const CLASS_NAMES = ["no status", "informational", "success", "redirection", "client error", "server error"];

/** What a person has opened, sorted and lengthened; not what is filtered. */
const ui = { open: {}, sort: {}, more: {} };

const empty = (text) => el("p", { class: "empty" }, text);

/** A name, which filters when it is clicked, if it can. */
function nameOf(page, dimension, name, key) {
  if (name === null) return el("span", { class: "name none" }, "(none)");
  const text = el("bdi", { dir: "ltr" }, dimension === "type" && name !== "/" ? `.${visible(name)}` : name === "" ? "(empty)" : visible(String(name)));
  if (!page.canFilter(dimension, name)) return el("span", { class: "name" }, text);
  const on = page.filter[dimension] === name;
  return el("button", {
    class: "name", type: "button", "aria-pressed": String(on), "data-key": `${key}:${name}`,
    title: on ? "Remove this filter" : `Show only this ${LABELS[dimension]}`, onclick: () => page.toggle(dimension, name),
  }, text);
}

/** Numbers in columns, sorted by a click on their heads, the first few unless more is asked for. */
function list(page, key, { dimension, rows, columns, whole, noun, limit = page.top, rest = true, head }) {
  if (!rows.length && !(rest && whole > 0)) return [empty(`No ${noun} here.`)];
  const sort = ui.sort[key] ?? { by: "requests", down: true };
  const by = columns.find((column) => column.id === sort.by);
  const value = by ? by.value : (row) => row.name;
  // Requests that name no referrer are none of the referrers.
  const last = (row) => row.rest || (row.name === null && (dimension === "referer" || dimension === "agent"));
  const fixed = rows.filter(last).map((row) => ({ ...row, rest: true, name: row.name ?? "(none)" }));
  const sorted = rows.filter((row) => !last(row));
  if (sort.by !== "requests" || !sort.down) {
    sorted.sort((a, b) => {
      const [x, y] = [value(a), value(b)];
      const order = x === y ? 0 : x === null || x === undefined ? 1 : y === null || y === undefined ? -1 : x < y ? -1 : 1;
      return sort.down && x !== null && y !== null ? -order : order;
    });
  }
  const shown = [...(ui.more[key] ? sorted : sorted.slice(0, limit)), ...fixed];
  const most = Math.max(1, ...shown.map((row) => (row.rest ? 0 : row.requests)));
  const heading = (id, label, title) => {
    const on = sort.by === id;
    const flip = () => {
      ui.sort[key] = { by: id, down: on ? !sort.down : id !== "name" };
      page.draw();
    };
    return el("th", { scope: "col", class: id === "name" ? "text" : "number", "aria-sort": on ? (sort.down ? "descending" : "ascending") : "none" },
      el("button", { type: "button", class: "sort", "data-key": `sort:${key}:${id}`, title, onclick: flip }, label));
  };
  const body = shown.map((row) => {
    const bar = el("span", { class: "bar", "aria-hidden": "true" });
    const good = row.requests - (row.errors ?? 0);
    const part = (n, name) => n > 0 && el("i", { class: name, style: { width: `${(100 * n) / most}%` } });
    if (!row.rest) bar.append(...[part(good, row.colour ?? "fill"), part(row.errors ?? 0, "bad")].filter(Boolean));
    return el("tr", { class: row.rest ? "rest" : undefined },
      el("th", { scope: "row" }, row.rest ? el("span", { class: "name none" }, row.name) : (row.head ?? nameOf(page, dimension, row.name, key)), bar),
      columns.map((column) => el("td", { "data-label": column.label, title: column.title(row), class: column.class?.(row) }, column.text(row))));
  });
  const left = whole - shown.reduce((sum, row) => sum + row.requests, 0);
  if (rest && left > 0) {
    body.push(el("tr", { class: "rest" }, el("th", { scope: "row" }, el("span", { class: "name none" }, `all other ${noun}`)),
      columns.map((column) => el("td", { "data-label": column.label, title: column.id === "requests" ? exact(left) : undefined },
        column.id === "requests" ? exact(left) : column.id === "share" ? share(left, whole) : ""))));
  }
  const found = [el("table", { class: columns.length > 2 || ["url", "referer", "agent"].includes(dimension) ? "list many" : "list" },
    el("thead", null, el("tr", null, heading("name", head), columns.map((column) => heading(column.id, column.label, column.about)))),
    el("tbody", null, body))];
  if (sorted.length > limit) {
    const more = () => {
      ui.more[key] = !ui.more[key];
      page.draw();
    };
    found.push(el("button", { type: "button", class: "more", "data-key": `more:${key}`, onclick: more },
      ui.more[key] ? `Show the first ${limit}` : `Show ${exact(sorted.length)}`));
  }
  return found;
}

const COLUMN = {
  requests: { id: "requests", label: "Requests", value: (row) => row.requests, text: (row) => exact(row.requests), title: (row) => exact(row.requests) },
  bytes: { id: "bytes", label: "Bytes", value: (row) => row.bytes, text: (row) => (row.bytes === undefined ? "" : size(row.bytes)), title: (row) => (row.bytes === undefined ? undefined : `${exact(row.bytes)} bytes`) },
  hosts: { id: "hosts", label: "Hosts", about: "Unique hosts", value: (row) => countOf(row.hosts), text: (row) => distinct(row.hosts), title: (row) => distinctTitle(row.hosts) },
  errors: {
    id: "errors", label: "Errors", about: "Share of requests answered with 4xx or 5xx", value: (row) => (row.errors ?? 0) / row.requests,
    text: (row) => (row.errors ? share(row.errors, row.requests) : "0%"), title: (row) => `${exact(row.errors ?? 0)} of ${exact(row.requests)} requests`,
    class: (row) => (row.errors ? (row.errors / row.requests > 0.1 ? "bad" : undefined) : "nought"),
  },
  share: (whole) => ({ id: "share", label: "Share", value: (row) => row.requests, text: (row) => share(row.requests, whole), title: (row) => `${exact(row.requests)} of ${exact(whole)}` }),
};

/** The numbers at the top. */
function tiles(page, view) {
  const { report, clock } = page;
  const tile = (key, label, value, title, more, kind) =>
    el("div", { class: kind ? `tile ${kind}` : "tile", "data-tile": key }, el("dt", null, label), el("dd", { class: "value", title }, value), el("dd", { class: "more" }, more));
  const step = stepName(page.step);
  const average = view.requests / Math.max(1, page.domain.buckets.length);
  const peaks = [];
  for (const name of ["second", "minute"]) {
    const peak = view.peak?.[name];
    if (peak) peaks.push(tile(`peak-${name}`, `Peak per ${name}`, exact(peak.requests), exact(peak.requests), clock.time(peak.at, name === "minute" ? 60 : 1).slice(4)));
  }
  // What the cells do not know is not shown as if it were: the busiest bucket, and the mean, stand in.
  if (peaks.length < 2) {
    const { busiest } = view;
    peaks.push(tile("busiest", `Busiest ${step}`, busiest ? exact(busiest.requests) : "–", busiest ? exact(busiest.requests) : "no requests", busiest ? clock.time(busiest.at, page.step).slice(4) : "no requests"));
    if (peaks.length < 2) peaks.push(tile("average", `Mean per ${step}`, average < 10 ? average.toFixed(1) : exact(Math.round(average)), String(average), `over ${exact(page.domain.buckets.length)}`));
  }
  const hosts = view.unique_hosts;
  return el("dl", { class: "tiles" },
    tile("requests", "Requests", exact(view.requests), exact(view.requests), view.filtered ? `${share(view.requests, report.requests)} of ${exact(report.requests)}` : `${average < 10 ? average.toFixed(1) : exact(Math.round(average))} per ${step}, mean`),
    tile("hosts", "Unique hosts", distinct(hosts), distinctTitle(hosts), isEstimate(hosts) ? (hosts.vague ? "no estimate under this filter" : `± ${exact(hosts.error)}, from a sample`) : view.filtered ? `of ${exact(report.unique_hosts)}` : `${exact(report.unique_urls)} unique URLs`),
    tile("bytes", "Bytes sent", size(view.bytes), `${exact(view.bytes)} bytes`, view.requests ? `${size(view.bytes / view.requests)} per request` : "no requests"),
    tile("4xx", "Client errors, 4xx", share(view.client_errors, view.requests), `${exact(view.client_errors)} of ${exact(view.requests)}`, `${exact(view.client_errors)} requests`, view.client_errors ? "k4" : ""),
    tile("5xx", "Server errors, 5xx", share(view.server_errors, view.requests), `${exact(view.server_errors)} of ${exact(view.requests)}`, `${exact(view.server_errors)} requests`, view.server_errors ? "k5" : ""),
    peaks,
    tile("rejected", "Rejected lines", exact(report.lines.rejected), exact(report.lines.rejected), `${share(report.lines.rejected, report.lines.lines)} of ${exact(report.lines.lines)}${view.filtered ? ", unfiltered" : ""}`));
}

/** Each panel: how wide of twelve, and how it is drawn. */
const PANELS = [
  {
    id: "statuses", title: "Status codes", span: 4,
    draw: (page, view) => list(page, "statuses", {
      dimension: "status", noun: "status codes", head: "Status", whole: view.requests, limit: 12,
      rows: view.statuses.map((row) => ({
        requests: row.requests, name: row.status, colour: `k${row.status === null ? 0 : classOf(row.status)}`,
        head: el("span", { class: "status" }, el("i", { class: `dot k${row.status === null ? 0 : classOf(row.status)}`, "aria-hidden": "true" }),
          nameOf(page, "status", row.status, "statuses"), el("span", { class: "says" }, STATUS_NAMES[row.status] ?? "")),
      })).sort((a, b) => b.requests - a.requests),
      columns: [COLUMN.requests, COLUMN.share(view.requests)],
    }),
  },
  {
    id: "urls", title: "Top URLs", span: 8,
    draw: (page, view) => list(page, "urls", {
      dimension: "url", noun: "URLs", head: "URL", rows: view.urls.rows, whole: view.requests,
      columns: [COLUMN.requests, COLUMN.bytes, COLUMN.hosts, COLUMN.errors],
    }),
  },
  {
    id: "hosts", title: "Top hosts", span: 4,
    draw: (page, view) => list(page, "hosts", {
      dimension: "host", noun: "hosts", head: "Host", rows: view.hosts.rows, whole: view.requests, columns: [COLUMN.requests, COLUMN.bytes, COLUMN.errors],
    }),
  },
  { id: "classes", title: "Status classes over time", span: 8, draw: drawClasses },
  ...[["methods", "Methods", "method", "Method"], ["protocols", "Protocols", "protocol", "Protocol"]].map(([id, title, dimension, head]) => ({
    id, title, span: 4, stacked: true,
    draw: (page, view) => list(page, id, { dimension, noun: title.toLowerCase(), head, rows: view[id], whole: view.requests, columns: [COLUMN.requests, COLUMN.share(view.requests)] }),
  })),
  {
    id: "not_found", title: "Not found (404)", span: 6,
    draw: (page, view) => {
      const whole = view.statuses.filter((row) => row.status === 404).reduce((sum, row) => sum + row.requests, 0);
      return list(page, "not_found", { dimension: "url", noun: "URLs not found", head: "URL", rows: view.not_found.rows.map((row) => ({ ...row, colour: "k4" })), whole, columns: [COLUMN.requests, COLUMN.share(whole)] });
    },
  },
  {
    id: "failed", title: "Server errors (5xx)", span: 6,
    draw: (page, view) => list(page, "failed", { dimension: "url", noun: "URLs with server errors", head: "URL", rows: view.failed.rows.map((row) => ({ ...row, colour: "k5" })), whole: view.server_errors, columns: [COLUMN.requests, COLUMN.share(view.server_errors)] }),
  },
  { id: "hours", title: "Hour by weekday", span: 6, draw: drawHours },
  { id: "sizes", title: "Response sizes", span: 6, draw: drawSizes },
  ...[["referers", "Referrers", "referer", "Referrer"], ["agents", "User agents", "agent", "Agent"]].map(([id, title, dimension, head]) => ({
    id, title, span: 6, when: (report) => report[id] !== null && report[id] !== undefined,
    draw: (page, view) => list(page, id, { dimension, noun: title.toLowerCase(), head, rows: view[id].rows, whole: view.requests, columns: [COLUMN.requests, COLUMN.bytes] }),
  })),
  {
    id: "types", title: "File types", span: 4,
    draw: (page, view) => list(page, "types", { dimension: "type", noun: "file types", head: "Type", rows: view.types, whole: view.requests, columns: [COLUMN.requests, COLUMN.bytes] }),
  },
  { id: "quality", title: "Data quality", span: 8, draw: drawQuality },
];

function drawClasses(page, view) {
  const sums = CLASSES.map((_, kind) => page.domain.buckets.reduce((sum, b) => sum + b.classes[kind], 0));
  const on = page.filter.class;
  const legend = el("ul", { class: "legend" }, CLASSES.map((name, kind) => ({ name, kind })).filter(({ kind }) => sums[kind] || kind === on || kind >= 2).map(({ name, kind }) => {
    const inner = [el("i", { class: `dot k${kind}`, "aria-hidden": "true" }), el("b", null, kind ? name : "none"), el("span", { class: "says" }, CLASS_NAMES[kind]),
      el("span", { class: "count", title: `${exact(sums[kind])} requests` }, exact(sums[kind])), el("span", { class: "says" }, share(sums[kind], view.requests))];
    return el("li", { "data-class": name }, page.canFilter()
      ? el("button", { type: "button", "aria-pressed": String(on === kind), "data-key": `class:${name}`, title: on === kind ? "Remove this filter" : `Show only ${kind ? name : "requests without a status"}`, onclick: () => page.toggle("class", kind) }, inner)
      : el("span", null, inner));
  }));
  if (!view.requests) return [page.report.requests ? legend : null, empty("No requests here.")];
  const { domain, clock } = page;
  const width = page.width("classes");
  const wrapper = page.timeline("classes");
  const label = `Requests over time by class of status: ${CLASSES.map((name, kind) => (sums[kind] ? `${name} ${exact(sums[kind])}` : null)).filter(Boolean).join(", ")}`;
  const failed = domain.buckets.map((b) => (b.requests ? (100 * (b.classes[4] + b.classes[5])) / b.requests : 0));
  // Of one class alone the share is all or nothing.
  const errors = on === undefined && page.filter.status === undefined && failed.some(Boolean);
  const worst = failed.indexOf(Math.max(...failed));
  const rate = (kind) => (b) => (b.requests ? (100 * b.classes[kind]) / b.requests : 0);
  wrapper.charts.replaceChildren(
    el("p", { class: "caption" }, "Requests, stacked by class"),
    timeChart({ domain, clock, width, height: 150, top: niceTop(Math.max(...domain.buckets.map((b) => b.requests))), format: compact, label, axis: !errors, layers: CLASSES.map((_, kind) => [`k${kind}`, (b) => b.classes[kind]]) }),
    ...(!errors ? [] : [
    el("p", { class: "caption" }, "Errors, 4xx and 5xx, as a share of requests"),
    timeChart({ domain, clock, width, height: 70, top: niceTop(Math.max(...failed)), format: (n) => `${Number(n.toPrecision(3))}%`, axis: true,
      label: `Share of errors over time, at most ${failed[worst].toFixed(2)}% at ${clock.time(domain.buckets[worst].at, page.step)}`, layers: [["k4", rate(4)], ["k5", rate(5)]] })]));
  return [legend, wrapper.node, dataTable("classes", ["Time", ...CLASSES, "errors"], () => domain.buckets.map((b, i) => [clock.time(b.at, page.step), ...b.classes.map(exact), `${failed[i].toFixed(2)}%`]))];
}

function drawHours(page, view) {
  const grid = view.hours ?? page.report.hours;
  const byHour = Array.from({ length: 24 }, (_, hour) => grid.reduce((sum, day) => sum + day[hour], 0));
  if (!byHour.some(Boolean)) return [empty("No requests here.")];
  const width = page.width("hours");
  const busiest = byHour.indexOf(Math.max(...byHour));
  let [day, hour] = [0, 0];
  grid.forEach((row, d) => row.forEach((n, h) => { if (n > grid[day][hour]) [day, hour] = [d, h]; }));
  const bars = barChart({ width, height: 72, format: compact, every: width < 420 ? 6 : 3, left: 34, label: `Requests by hour of the day, most at ${two(busiest)}:00 with ${exact(byHour[busiest])}`,
    list: byHour.map((n, h) => ({ label: two(h), value: n, title: `${two(h)}:00–${two(h)}:59: ${exact(n)} requests` })) });
  return [
    view.hours ? null : el("p", { class: "note" }, "Of the whole period: in buckets of a day the hours are not known, so no filter applies here."),
    el("p", { class: "caption" }, "Requests by hour of the day"), bars,
    el("p", { class: "caption" }, "and by day of the week: darker is more, ", el("span", { class: "count" }, `at most ${exact(grid[day][hour])}`)),
    heatMap({ width, grid, label: `Requests by weekday and hour, most on ${DAYS[day]} at ${two(hour)}:00 with ${exact(grid[day][hour])}` }),
    dataTable("hours", ["", ...Array.from({ length: 24 }, (_, h) => two(h))], () => grid.map((row, d) => [DAYS[d], ...row.map(exact)])),
  ];
}

const binName = ({ from, to }) => (from === null ? "no size" : from === to ? size(from) : `${size(from)} to ${from >= 1024 ? size(to + 1) : `${to} B`}`);

function drawSizes(page, view) {
  if (!view.sizes.length) return [empty("No responses here.")];
  const known = new Map(view.sizes.map((bin) => [bin.from, bin]));
  const some = view.sizes.filter((bin) => bin.from > 0);
  const bins = [];
  for (const from of [null, 0]) if (known.has(from)) bins.push(known.get(from));
  if (some.length) for (let from = some[0].from; from <= some.at(-1).from; from *= 2) bins.push(known.get(from) ?? { from, to: 2 * from - 1, requests: 0 });
  const most = bins.reduce((a, b) => (b.requests > a.requests ? b : a));
  const width = page.width("sizes");
  // Every bar has its own label where there is room, else the round sizes have theirs.
  const room = (width - LEFT) / bins.length > 46;
  const tick = ({ from }) => (from === null ? "none" : from === 0 ? "0" : room || Math.log2(from) % (width < 420 ? 6 : 4) === 0 ? size(from) : "");
  return [
    el("p", { class: "caption" }, "Requests by size of the response, each bar twice the one before"),
    barChart({ width, height: 190, format: compact, label: `Requests by size of the response, most in ${binName(most)}: ${exact(most.requests)}`,
      list: bins.map((bin) => ({ label: tick(bin), value: bin.requests, class: bin.from ? "fill" : "dim", title: `${binName(bin)}: ${exact(bin.requests)} requests, ${share(bin.requests, view.requests)}` })) }),
    dataTable("sizes", ["Size", "Requests", "Share"], () => view.sizes.map((bin) => [binName(bin), exact(bin.requests), share(bin.requests, view.requests)])),
  ];
}

function drawQuality(page) {
  const { lines, rejects } = page.report;
  const parts = [["read as requests", lines.rows, "fill"], ["left out by filters", lines.filtered, "dim"], ["blank", lines.blank, "dim"], ["rejected", lines.rejected, "bad"]];
  const bar = el("span", { class: "bar tall", "aria-hidden": "true" }, parts.filter(([, n]) => n).map(([, n, name]) => el("i", { class: name, style: { width: `${(100 * n) / lines.lines}%` } })));
  const account = el("dl", { class: "account" }, [["lines", lines.lines], ...parts].filter(([, n], i) => n || i === 1 || i === 4).map(([name, n]) => el("div", null, el("dt", null, name), el("dd", null, exact(n)))));
  const reasons = rejects.length
    ? el("ul", { class: "reasons" }, rejects.map((reject) => el("li", null,
        el("div", null, el("code", null, visible(reject.reason)), el("b", null, exact(reject.lines))),
        el("p", null, visible(reject.says ?? "")), reject.first ? el("p", { class: "first" }, "first at ", el("bdi", null, visible(reject.first))) : null)))
    : empty(lines.lines ? "No line was rejected." : "There were no lines.");
  return [el("p", { class: "note" }, "Of all lines; no filter applies here."), lines.lines ? bar : null, account, reasons];
}
