// The live page: the same state, fed by a server. What is exchanged, every path beside the page's own and with its ?token=
//
// GET report.json   the report, as `--json` has it
// GET cube          {"version":3,"seq":17,"meta":{…},"data":"<base64 of raw deflate of the columns>"}; or null while there is
//                   none. `seq` is the number of the last delta that is in it.
// GET events        server-sent events; `data` of each is one line of JSON:
//   event: report   the report; first on every connection, then at most once a second, when it has changed
//   event: cube     {"version":3,"seq":17}: which cube there is, after the first report of a connection, and whenever it is a
//                   new one (another step, other dictionaries); the page fetches it unless it has that one
//   event: delta    {"version":3,"seq":18,"cells":120,"sample":4,"starts":[…],"local":[[weekday,hour],…],
//                    "data":"<base64 of the columns of the new cells, then of the new sample cells; LEB128, not deflated;
//                    `bucket` as differences, from 0 in each delta>"}
//                   `starts` and `local` are those of new buckets alone, and may be absent; so may `names`, which has new
//                   entries of the lists of `meta` by the lists' names: they stand behind the others. `seq` rises by one; where
//                   one is missing the page fetches the cube anew. Cells of the same key as older ones are added to them.
//   event: now      {"seconds":[3,0,12,…]}: requests in each of the last 60 seconds of the server's clock, the oldest
//                   first, the unfinished one left out; every second, so that silence is a sign
//   event: last     {"requests":[{"ts":807249599,"host":"h","method":"GET","path":"/","status":200,"bytes":5},…]}: those
//                   since the last such event, at most 50, the newest last; null where a line has none. With "whole":true
//                   (the first of a connection) they are all that there are to show

const SILENCE = 10_000;
const KEPT = 30;

class Live {
  constructor(page) {
    this.page = page;
    this.version = null;
    this.wanted = null; // the version that the server has
    this.seq = 0;
    this.waiting = []; // deltas that came while the cube was fetched
    this.fetching = false;
    this.requests = [];
    this.seconds = [];
    this.dirty = false;
    this.held = false;
    this.dot = el("i", { class: "dot", "aria-hidden": "true" });
    this.word = el("span", null, "connecting");
    this.indicator = el("span", { class: "live", role: "status" }, this.dot, this.word);
    this.pause = el("button", { type: "button", class: "small", "data-key": "pause", "aria-pressed": "false", onclick: () => this.hold() }, "Pause");
    this.rate = el("p", { class: "rate" });
    this.spark = el("div", { class: "sparkline" });
    this.rows = el("tbody");
    page.live = this;
    page.liveNode.hidden = false;
    page.liveNode.append(
      el("section", { class: "card span4", id: "panel-now" }, el("h2", null, "Requests per second now"), this.rate, this.spark),
      el("section", { class: "card span8", id: "panel-last" }, el("h2", null, "Last requests ", this.pause),
        el("div", { class: "scroll last", tabindex: 0, role: "region", "aria-label": "Last requests" }, el("table", null, this.rows))));
    // A click is not lost to a redraw between its press and its release.
    this.pressed = false;
    addEventListener("pointerdown", () => (this.pressed = true), true);
    for (const end of ["pointerup", "pointercancel", "blur"]) addEventListener(end, () => setTimeout(() => (this.pressed = false)), true);
    setInterval(() => this.tick(), 250);
  }

  static url(name) {
    const token = new URLSearchParams(location.search).get("token");
    const url = new URL(name, location.href.split(/[?#]/)[0]);
    if (token !== null) url.searchParams.set("token", token);
    return url;
  }

  connect() {
    this.source?.close();
    this.heard = performance.now();
    this.source = new EventSource(Live.url("events"));
    const on = (name, act) => this.source.addEventListener(name, (event) => {
      this.heard = performance.now();
      this.say("live", "live");
      act(JSON.parse(event.data));
    });
    on("report", (report) => {
      this.page.report = report;
      if (report.zone !== this.page.clock.name) this.page.clock = new Clock(report.zone);
      this.dirty = true;
    });
    on("cube", ({ version, seq }) => {
      this.wanted = version;
      if (version !== this.version || (seq ?? 0) > this.seq) this.fetch();
    });
    on("delta", (delta) => this.delta(delta));
    on("now", ({ seconds }) => {
      this.seconds = seconds;
      this.drawNow();
    });
    on("last", ({ requests, whole }) => {
      this.requests = [...requests.slice().reverse(), ...(whole ? [] : this.requests)].slice(0, KEPT);
      if (!this.held) this.drawLast();
    });
    this.source.addEventListener("error", () => this.lose());
  }

  lose() {
    // It may be another server that answers next: its cube is fetched anew.
    this.version = null;
    this.say("lost", "connection lost, trying again");
  }

  say(state, text) {
    if (this.indicator.dataset.state === state) return;
    this.indicator.dataset.state = state;
    this.word.textContent = text;
  }

  /** Redraw when something has come, unless a click is under way; reconnect when nothing comes. */
  tick() {
    if (performance.now() - this.heard > SILENCE) {
      this.lose();
      this.connect();
    }
    // Nor is a choice that is being made on the keyboard.
    if (!this.dirty || this.pressed || document.hidden || document.querySelector(".mark:not([hidden])")) return;
    this.dirty = false;
    this.page.update();
  }

  async fetch() {
    if (this.fetching) return;
    this.fetching = true;
    try {
      const found = await (await fetch(Live.url("cube"))).json();
      if (found) {
        this.page.cube = new Cube(found.meta, await inflate(fromBase64(found.data)));
        this.page.meta = found.meta;
        this.version = found.version;
        this.seq = found.seq;
        this.dirty = true;
      }
    } catch (error) {
      console.warn("the cube could not be fetched", error);
      this.version = null;
      // Nothing may come that would ask for it again.
      setTimeout(() => this.fetch(), 2000);
    }
    this.fetching = false;
    const waiting = this.waiting;
    this.waiting = [];
    for (const delta of waiting) this.delta(delta);
    // Another one may have come to be meanwhile.
    if (this.version !== null && this.wanted > this.version) this.fetch();
  }

  delta(delta) {
    if (this.fetching) {
      this.waiting.push(delta);
      return;
    }
    if (this.version === delta.version && delta.seq <= this.seq) return;
    if (this.version !== delta.version || delta.seq !== this.seq + 1) {
      this.fetch();
      return;
    }
    this.page.cube.append(delta, fromBase64(delta.data));
    this.seq = delta.seq;
    this.dirty = true;
  }

  hold() {
    this.held = !this.held;
    this.pause.setAttribute("aria-pressed", String(this.held));
    this.pause.textContent = this.held ? "Go on" : "Pause";
    if (!this.held) this.drawLast();
  }

  drawNow() {
    const { seconds } = this;
    const recent = seconds.slice(-5);
    const rate = recent.length ? recent.reduce((a, b) => a + b, 0) / recent.length : 0;
    this.rate.replaceChildren(el("b", null, rate < 10 ? rate.toFixed(1) : exact(Math.round(rate))), el("span", { class: "says" }, "over the last 5 seconds"));
    this.spark.replaceChildren(sparkline(seconds, Math.max(120, this.spark.clientWidth || 240), 56, `Requests in each of the last ${seconds.length} seconds, at most ${exact(Math.max(0, ...seconds))}`),
      el("p", { class: "caption" }, `the last ${seconds.length} seconds, at most ${exact(Math.max(0, ...seconds))} in one`));
  }

  drawLast() {
    const { clock } = this.page;
    this.rows.replaceChildren(...this.requests.map(({ ts, host, method, path, status, bytes }) => el("tr", null,
      el("td", { class: "time" }, ts === null ? "–" : clock.field(ts).slice(11)),
      el("td", null, el("i", { class: `dot k${status ? classOf(status) : 0}`, "aria-hidden": "true" }), status ?? "–"),
      el("td", { class: "path" }, el("bdi", null, `${method === null ? "" : `${visible(method)} `}${path === null ? "(none)" : visible(path)}`)),
      el("td", { class: "host" }, el("bdi", null, host === null ? "–" : visible(host))),
      el("td", { class: "size" }, bytes === null || bytes === undefined ? "–" : size(bytes)))));
  }
}

async function startLive(root) {
  const report = await (await fetch(Live.url("report.json"))).json();
  const page = new Page(root, report, null);
  const live = new Live(page);
  page.update();
  page.measure("nasalogs:open", 0);
  live.connect();
}
