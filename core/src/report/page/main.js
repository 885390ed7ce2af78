// The page: a state, and one way from it to what is seen.

class Page {
  constructor(root, report, meta) {
    this.root = root;
    this.report = report;
    this.cube = null;
    this.meta = meta; // announced, perhaps not yet decoded
    this.live = null;
    this.filter = fromHash(location.hash);
    this.top = 10;
    this.clock = new Clock(report.zone);
    this.bodies = new Map();
    this.timelines = new Map();
    this.build();
  }

  /** Can it be filtered, and by this? */
  canFilter(dimension, name) {
    if (!this.meta || !this.report.requests) return false;
    if (dimension === undefined) return true;
    return (this.meta[DICTIONARIES[dimension]] ?? []).includes(name);
  }

  toggle(field, value) {
    this.set(toggled(this.filter, field, value));
  }

  choose(from, to) {
    const next = { ...this.filter };
    for (const [field, value] of [["from", from], ["to", to]]) {
      if (value === undefined) delete next[field];
      else next[field] = value;
    }
    // Both ends at those of the period are no filter.
    if (this.entire && (next.from ?? -Infinity) <= this.entire.from && (next.to ?? Infinity) >= this.entire.to) {
      delete next.from;
      delete next.to;
    }
    this.set(next);
  }

  /** A new filter, into the address and the history too. */
  set(filter) {
    const began = performance.now();
    this.filter = filter;
    const hash = toHash(filter);
    if (hash !== location.hash) {
      if (hash) location.hash = hash;
      else history.pushState(null, "", location.pathname + location.search);
    }
    this.update();
    this.measure("nasalogs:answer", began);
    const { requests } = this.view;
    this.say(isEmpty(filter) ? `No filter: ${exact(requests)} requests.` : `Filtered: ${exact(requests)} of ${exact(this.report.requests)} requests.`);
  }

  /** How long until it was seen, among the browser's own measures. */
  measure(name, began) {
    requestAnimationFrame(() => setTimeout(() => performance.measure(name, { start: began, end: performance.now() })));
  }

  say(text) {
    this.status.textContent = text;
  }

  /** What is shown, from the report or, under a filter, from the cells. */
  update() {
    const { report, cube, filter } = this;
    const filtered = !isEmpty(filter);
    this.entire = domainOf(report.time);
    this.domain = this.entire;
    if (filtered && cube) {
      const { from, to, ...rest } = filter;
      const { step, starts } = cube.meta;
      // A cube that would have been too large has longer buckets than the report.
      const plain = step === report.time.step ? this.entire : domainOf({ step, buckets: starts.map((at) => ({ at })) });
      const part = within(plain, from, to);
      const whole_ = from === undefined && to === undefined;
      this.view = aggregate(cube, report, whole_ ? rest : { ...rest, from: part.from, to: part.to });
      const known = new Map(this.view.time.buckets.map((bucket) => [bucket.at, bucket]));
      const put = (found) => (bucket) => ({ ...NOTHING, ...found.get(bucket.at), at: bucket.at, end: bucket.end });
      this.domain = { ...part, buckets: part.buckets.map(put(known)) };
      if (!isEmpty(rest)) {
        const counts = requestsOver(cube, rest);
        const all = new Map(starts.map((at, i) => [at, { requests: counts[i] }]));
        this.entire = { ...plain, buckets: plain.buckets.map(put(all)) };
      }
    } else this.view = whole(report, cube);
    this.step = this.domain.step;
    this.root.setAttribute("aria-busy", String(filtered && !cube && Boolean(this.meta)));
    this.draw();
  }

  /** The frame of the page, once. */
  build() {
    this.header = el("header");
    this.chips = el("nav", { class: "chips", "aria-label": "Filters" });
    this.tiles = el("section", { "aria-label": "In short" });
    this.status = el("p", { class: "quiet", role: "status", "aria-live": "polite" });
    this.grid = el("div", { class: "grid" });
    this.foot = el("footer");
    this.liveNode = el("section", { class: "grid", hidden: true, "aria-label": "Now" });
    this.traffic = new Traffic(this);
    const traffic = { id: "traffic", title: "Traffic over time", span: 8, draw: (_, view) => this.traffic.draw(view) };
    this.panels = [traffic, ...PANELS];
    let column = null;
    for (const panel of this.panels) {
      const body = el("div", { class: "body" });
      this.bodies.set(panel.id, body);
      // Short ones share a column.
      if (!panel.stacked) column = null;
      else if (!column) this.grid.append((column = el("div", { class: `column span${panel.span}` })));
      (column ?? this.grid).append(el("section", { class: `card span${panel.span}`, id: `panel-${panel.id}`, "aria-labelledby": `title-${panel.id}` },
        el("h2", { id: `title-${panel.id}` }, panel.title), body));
    }
    this.root.replaceChildren(this.header, this.chips, this.status, this.liveNode, this.tiles, this.grid, this.foot);
    let frame = 0;
    this.drawnAt = 0;
    new ResizeObserver(() => {
      if (this.root.clientWidth === this.drawnAt) return;
      cancelAnimationFrame(frame);
      frame = requestAnimationFrame(() => this.draw());
    }).observe(this.root);
    addEventListener("hashchange", () => {
      if (location.hash !== toHash(this.filter)) this.follow();
    });
    addEventListener("popstate", () => {
      if (location.hash !== toHash(this.filter)) this.follow();
    });
  }

  /** The filter that the address says. */
  follow() {
    this.filter = fromHash(location.hash);
    this.update();
  }

  /** The room of a panel's body. */
  width(id) {
    return this.widths.get(id);
  }

  timeline(id) {
    if (!this.timelines.has(id)) this.timelines.set(id, timeline(this, id, `Status classes over time. ${HOW}`));
    return this.timelines.get(id);
  }

  draw() {
    if (!this.view) return;
    this.drawnAt = this.root.clientWidth;
    // All are read before anything is written: the browser lays out once.
    this.widths = new Map([...this.bodies].map(([id, body]) => [id, Math.max(200, Math.floor(body.clientWidth || 320))]));
    const focused = document.activeElement?.dataset?.key;
    this.drawHeader();
    this.drawChips();
    this.tiles.replaceChildren(tiles(this, this.view));
    for (const panel of this.panels) {
      const body = this.bodies.get(panel.id);
      const there = !panel.when || panel.when(this.report);
      body.parentElement.hidden = !there;
      if (!there) continue;
      const drawn = panel.draw(this, this.view).flat().filter(Boolean);
      body.replaceChildren(...drawn);
    }
    for (const { brush } of this.timelines.values()) brush.reset();
    this.drawFoot();
    // What was focused is a new element now, or is gone with its filter.
    if (focused && document.activeElement?.dataset?.key !== focused) {
      const again = [...this.root.querySelectorAll("[data-key]")].find((node) => node.dataset.key === focused);
      (again ?? this.chips.querySelector("button"))?.focus({ preventScroll: true });
    }
  }

  drawHeader() {
    const { report, clock } = this;
    const paths = report.inputs.map(visible);
    const names = paths.map((path) => path.split("/").filter(Boolean).at(-1) ?? path);
    const title = names.length > 3 ? `${names.slice(0, 2).join(", ")} and ${exact(names.length - 2)} more` : names.join(", ") || "no input";
    const { first, last } = report.period ?? { first: null, last: null };
    const zone = /^[+-]/.test(clock.name) ? `UTC${clock.name.replace("-", "−")}` : clock.name.toUpperCase() === "UTC" ? "UTC" : clock.name;
    const facts = [
      first === null ? "no requests" : `${clock.time(first)} – ${clock.time(last)} ${zone}`,
      report.format ? `${report.format} format` : null,
      `${exact(report.lines.lines)} lines`,
    ].filter(Boolean);
    document.title = `${title} · nasalogs`;
    this.themeButton ??= themeButton();
    this.header.replaceChildren(
      el("div", { class: "brand" }, el("span", { class: "logo", "aria-hidden": "true" }), "nasalogs", el("span", { class: "spring" }), this.live?.indicator ?? null, this.themeButton),
      el("h1", { title: paths.join("\n") }, el("bdi", null, title)),
      el("p", { class: "facts" }, facts.map((fact) => el("span", null, fact))),
      ...(report.filters.length ? [el("p", { class: "facts" }, "Made with ", report.filters.map((filter) => el("code", null, visible(filter))))] : []));
  }

  drawChips() {
    const { filter, clock } = this;
    const chip = (key, label, value, without, lost) =>
      el("button", { class: lost ? "chip lost" : "chip", type: "button", "data-key": `chip:${key}`, "data-chip": key, "aria-label": `Remove filter: ${label} ${value}`, title: lost ? "Not among the entries that this page can tell apart" : "Remove this filter", onclick: () => this.set(without) },
        el("span", { class: "says" }, label), el("bdi", null, value), el("span", { class: "cross", "aria-hidden": "true" }, "×"));
    const found = [];
    if (filter.from !== undefined || filter.to !== undefined) {
      const { from, to, ...rest } = filter;
      // Whole buckets: what is shown is what is counted.
      const [a, b] = this.view.filtered ? [this.domain.from, this.domain.to] : [from ?? this.entire.from, to ?? this.entire.to];
      const text = this.view.filtered && !this.domain.buckets.length ? "nothing of this period" : `${clock.time(a, this.step)} – ${this.step >= 86400 ? clock.time(b - 1, this.step) : clock.time(b, this.step)}`;
      found.push(chip("time", "time", text, rest));
    }
    for (const field of FIELDS.slice(2)) {
      if (filter[field] === undefined) continue;
      const { [field]: value, ...rest } = filter;
      const text = field === "class" ? (value ? CLASSES[value] : "none") : visible(String(value));
      found.push(chip(field, LABELS[field], text, rest, field !== "class" && !this.canFilter(field, value)));
    }
    this.chips.classList.toggle("active", found.length > 0);
    if (found.length) {
      if (found.length > 1) found.push(el("button", { class: "clear", type: "button", "data-key": "clear", onclick: () => this.set({}) }, "Clear all"));
      const { requests } = this.view;
      found.push(el("span", { class: "result" }, this.view.filtered ? `${exact(requests)} of ${exact(this.report.requests)} requests` : this.meta ? "reading…" : "this page has no cells to filter"));
    } else if (this.canFilter()) {
      found.push(el("span", { class: "hint" }, "Everything here filters everything else: drag over a chart, or click a status, a URL, a host."));
    }
    this.chips.replaceChildren(...found);
  }

  drawFoot() {
    const { report, meta } = this;
    const notes = [];
    for (const bound of report.bounds) notes.push(`${bound.of}: ${bound.says}`);
    if (!report.exact && !report.bounds.length) notes.push("These numbers are estimates.");
    if (this.canFilter()) {
      notes.push(`Ranges of time are whole buckets of one ${stepName(meta.step)}.`);
      if (meta.sample.rate > 1) notes.push(`≈ Unique hosts under a filter are estimated from one host in ${exact(meta.sample.rate)}, unless the named hosts alone settle the number; ± is one standard error.`);
      for (const coarse of meta.coarse ?? []) notes.push(visible(coarse));
    }
    this.foot.replaceChildren(
      notes.length ? el("ul", null, notes.map((note) => el("li", null, note))) : "",
      el("p", null, `Made by ${visible(report.program)} on ${new Date(report.generated * 1000).toISOString().slice(0, 16).replace("T", " ")} UTC.${this.live ? "" : " This page asks no network for anything."}`));
  }
}

/** Light, dark, or as the system has it; remembered. */
function themeButton() {
  const order = ["auto", "light", "dark"];
  const now = () => document.documentElement.dataset.theme ?? "auto";
  const button = el("button", { type: "button", class: "small theme", "data-key": "theme" });
  const label = () => {
    button.textContent = { auto: "◐ Auto", light: "☀ Light", dark: "☾ Dark" }[now()];
    button.setAttribute("aria-label", `Colours: ${now()}. Change`);
  };
  button.addEventListener("click", () => {
    const next = order[(order.indexOf(now()) + 1) % 3];
    if (next === "auto") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = next;
    try {
      localStorage.setItem("nasalogs-theme", next);
    } catch {
      // Not remembered, then.
    }
    label();
  });
  label();
  return button;
}

const json = (id) => JSON.parse(document.getElementById(id).textContent);

async function start() {
  const root = document.getElementById("app");
  if ("live" in document.documentElement.dataset) return startLive(root);
  const meta = json("meta");
  const page = new Page(root, json("report"), typeof DecompressionStream === "undefined" ? null : meta);
  page.update();
  page.measure("nasalogs:open", 0);
  if (!page.meta) return;
  // The cells, which lie behind this script, after the first view is on the screen.
  if (document.readyState === "loading") await new Promise((done) => addEventListener("DOMContentLoaded", done));
  await new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
  const data = document.getElementById("cube");
  page.cube = new Cube(meta, await inflate(fromBase64(data.textContent.trim())));
  data.remove();
  page.update();
  page.measure("nasalogs:ready", 0);
}

start().catch((error) => {
  // The plain tables say the same.
  document.documentElement.classList.remove("js");
  console.error(error);
});
