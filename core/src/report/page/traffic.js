// Traffic over time: three charts on one axis of time, a strip of the whole period, and fields for a range.

/** A place for charts over time on which a range can be chosen; made once, drawn into often. */
function timeline(page, name, about) {
  const charts = el("div", { class: "charts" });
  const tip = el("div", { class: "tip", hidden: true, "aria-hidden": "true" });
  const node = el("div", { class: "timeline", tabindex: 0, role: "group", "data-key": `timeline:${name}`, "aria-label": about }, charts, tip);
  const tell = (index, cursor) => {
    if (index === null) {
      tip.hidden = true;
      return;
    }
    const bucket = page.domain.buckets[index];
    const lines = [
      ["requests", exact(bucket.requests)], ["unique hosts", distinct(bucket.hosts)], ["bytes", size(bucket.bytes)],
      ...CLASSES.map((label, kind) => [kind ? label : "no status", bucket.classes[kind] ? exact(bucket.classes[kind]) : null]).filter(([, n]) => n),
    ];
    const when = page.clock.time(bucket.at, page.step);
    tip.replaceChildren(el("b", null, when), ...lines.map(([label, value]) => el("span", null, `${label} `, el("b", null, value))));
    tip.hidden = false;
    const left = parseFloat(cursor.style.left);
    const room = node.clientWidth - tip.offsetWidth - 4;
    tip.style.left = `${Math.max(4, left > node.clientWidth / 2 ? Math.min(room, left - tip.offsetWidth - 8) : Math.min(room, left + 12))}px`;
    if (document.activeElement === node) page.say(`${when}: ${lines.map(([label, value]) => `${label} ${value}`).join(", ")}`);
  };
  const brush = brushable(node, {
    domain: () => page.domain, tell, enabled: () => page.canFilter(),
    choose: (from, to) => page.choose(from, to), clear: () => page.choose(undefined, undefined),
  });
  return { node, charts, brush };
}

const HOW = "Drag to choose a range of time. On the keyboard: arrow keys move, Shift and arrow keys choose, Enter applies, Escape undoes.";

class Traffic {
  constructor(page) {
    this.page = page;
    this.timeline = timeline(page, "traffic", `Traffic over time. ${HOW}`);
    this.strip = el("div", { class: "strip", title: "The whole period: drag the window or its ends", "aria-hidden": "true" });
    this.stripChart = el("div", { class: "charts" });
    this.strip.append(this.stripChart);
    this.window = strip(this.strip, { width: () => page.width("traffic"), domain: () => page.entire, chosen: () => [page.domain.from, page.domain.to], choose: (from, to) => page.choose(from, to) });
    const field = (name, label) => {
      const input = el("input", { type: "datetime-local", step: 1, "data-key": `field:${name}`, onchange: () => this.fields() });
      this[name] = input;
      return el("label", null, label, input);
    };
    const button = (key, label, title, onclick) => el("button", { type: "button", class: "small", "data-key": key, title, "aria-label": title, onclick }, label);
    this.controls = el("div", { class: "range" }, field("from", "From"), field("to", "to"),
      el("span", { class: "buttons" },
        button("earlier", "‹", "Earlier by as much", () => this.move(-1)), button("later", "›", "Later by as much", () => this.move(1)),
        button("closer", "+", "Half as long", () => this.zoom(0.25)), button("wider", "−", "Twice as long", () => this.zoom(-0.5)),
        button("entire", "Whole period", "Whole period", () => page.choose(undefined, undefined))));
  }

  fields() {
    const { page } = this;
    const from = this.from.value ? page.clock.parse(this.from.value) : undefined;
    const to = this.to.value ? page.clock.parse(this.to.value) : undefined;
    if (from === null || to === null || (from !== undefined && to !== undefined && from >= to)) {
      page.say("The range ends before it begins.");
      this.to.setCustomValidity("ends before it begins");
      this.to.reportValidity();
      return;
    }
    this.to.setCustomValidity("");
    page.choose(from, to);
  }

  /** The range moved by its own length, within the period. */
  move(direction) {
    const { from, to } = this.page.domain;
    const entire = this.page.entire;
    const by = direction < 0 ? -Math.min(to - from, from - entire.from) : Math.min(to - from, entire.to - to);
    if (by) this.page.choose(from + by, to + by);
  }

  /** The range made smaller at both ends by a part of its length, or larger. */
  zoom(part) {
    const { from, to, buckets } = this.page.domain;
    if (part > 0 && buckets.length < 2) return;
    const { step, entire } = this.page;
    const by = Math.max(step, Math.round((Math.abs(part) * (to - from)) / step) * step) * Math.sign(part);
    const next = [Math.max(entire.from, from + by), Math.min(entire.to, to - by)];
    if (next[0] >= next[1]) next[1] = next[0] + step;
    this.page.choose(...next);
  }

  draw(view) {
    const { page } = this;
    const { domain, clock, entire } = page;
    const per = stepName(page.step);
    if (!entire.buckets.length) return [empty("No requests, so nothing over time.")];
    const width = page.width("traffic");
    const most = (value) => domain.buckets.reduce((a, b) => (value(b) > value(a) ? b : a), domain.buckets[0] ?? { at: 0, requests: 0, hosts: 0, bytes: 0 });
    const chart = (value, title, name, height, more) => {
      const top = most(value);
      if (!value(top)) return [el("p", { class: "caption" }, `${title}: none`)];
      return [
        el("p", { class: "caption" }, title),
        timeChart({ domain, clock, width, height, top: niceTop(value(top)), format: compact, layers: [[name, value]], ...more,
          label: `${title}: from ${clock.time(domain.from, page.step)} to ${clock.time(domain.to, page.step)}, at most ${(more?.format ?? exact)(value(top))} at ${clock.time(top.at, page.step)}` }),
      ];
    };
    const hosts = (b) => countOf(b.hosts) ?? 0;
    const guess = domain.buckets.some((b) => isEstimate(b.hosts));
    const vague = domain.buckets.filter((b) => b.hosts.vague).length;
    this.timeline.charts.replaceChildren(
      ...chart((b) => b.requests, `Requests per ${per}`, "fill", 170, { axis: true, lines: niceLines(niceTop(most((b) => b.requests).requests)) }),
      ...(vague > domain.buckets.length / 4 ? [el("p", { class: "caption" }, `Unique hosts per ${per}: no estimate can be made under this filter`)] : chart(hosts, `Unique hosts per ${per}${guess ? ", estimated" : ""}`, "second", 58)),
      ...chart((b) => b.bytes, `Bytes per ${per}`, "third", 58, { top: niceBytes(most((b) => b.bytes).bytes), format: (n) => size(n).replace(/\.0+ /, " ") }));
    this.timeline.brush.reset();
    this.stripChart.replaceChildren(timeChart({ domain: entire, clock, width, height: 34, top: niceTop(Math.max(...entire.buckets.map((b) => b.requests))), format: () => "", label: "The whole period", lines: [], layers: [["dim", (b) => b.requests]] }));
    this.window.place();
    for (const [input, at] of [[this.from, domain.from], [this.to, domain.to]]) {
      if (document.activeElement !== input || !page.live) input.value = clock.field(at);
      input.min = clock.field(entire.from);
      input.max = clock.field(entire.to);
    }
    const all = page.filter.from === undefined && page.filter.to === undefined;
    for (const button of this.controls.querySelectorAll("button")) button.disabled = all && button.dataset.key !== "closer";
    return [
      this.timeline.node,
      ...(page.canFilter() ? [this.strip, this.controls] : []),
      dataTable("traffic", ["Time", "Requests", "Unique hosts", "Bytes"], () => domain.buckets.map((b) => [clock.time(b.at, page.step), exact(b.requests), distinct(b.hosts), exact(b.bytes)])),
    ];
  }
}
