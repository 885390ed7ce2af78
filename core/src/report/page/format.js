// Numbers, sizes, times and names as people read them. Pure.

const grouped = new Intl.NumberFormat("en-US");
const short = new Intl.NumberFormat("en-US", { notation: "compact", maximumSignificantDigits: 3 });

/** 1234567 → 1,234,567 */
const exact = (n) => grouped.format(n);

/** 1234567 → 1.23M, for axes. */
const compact = (n) => short.format(n);

const UNITS = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];

/** 1536 → 1.5 KiB */
function size(bytes) {
  let unit = 0;
  while (bytes >= 999.5 && unit < UNITS.length - 1) {
    bytes /= 1024;
    unit += 1;
  }
  const digits = unit === 0 || bytes >= 100 ? 0 : bytes >= 10 ? 1 : 2;
  return `${bytes.toFixed(digits)} ${UNITS[unit]}`;
}

/** A part of a whole: 0.0061 → 0.61% */
function share(part, whole) {
  if (!whole || !part) return "0%";
  const percent = (100 * part) / whole;
  if (percent < 0.01) return "<0.01%";
  if (part < whole && percent > 99.99) return ">99.99%";
  return `${percent.toFixed(percent >= 99.95 ? (part === whole ? 0 : 2) : percent >= 10 ? 1 : 2)}%`;
}

/** A count of distinct things, which may be an estimate: { n, error, least, most, vague }, with its standard error. */
const isEstimate = (n) => typeof n === "object" && n !== null;
const countOf = (n) => (isEstimate(n) ? n.n : n);
function distinct(n) {
  if (n === null || n === undefined) return "–";
  if (!isEstimate(n)) return exact(n);
  return n.vague ? `${compact(n.least)}–${compact(n.most)}` : `≈ ${exact(n.n)}`;
}
function distinctTitle(n) {
  if (n === null || n === undefined) return "not known under this filter";
  if (!isEstimate(n)) return exact(n);
  if (n.vague) return `from ${exact(n.least)} to ${exact(n.most)}: under this filter no estimate can be made`;
  return `an estimate from a sample: ${exact(n.n)} ± ${exact(n.error)} (one standard error)`;
}

// What would not be seen, or would turn the text around it: control characters, marks of direction, invisible ones.
const UNSEEN = /[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]/g;

/** A name from a client, with what is invisible made visible. It is still text: it goes into text nodes alone. */
const visible = (name) =>
  name.replace(UNSEEN, (c) => `‹U+${c.charCodeAt(0).toString(16).toUpperCase().padStart(4, "0")}›`);

const STEP_NAMES = { 1: "second", 10: "10 seconds", 60: "minute", 600: "10 minutes", 3600: "hour", 86400: "day", 604800: "week", 31449600: "year" };
const stepName = (step) => STEP_NAMES[step] ?? `${exact(step)} s`;

const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const DAYS = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
const two = (n) => String(n).padStart(2, "0");

/** Wall-clock times of a zone: "UTC", "+02:00", or a name that the browser knows. */
class Clock {
  constructor(zone) {
    const fixed = /^([+-])(\d\d):?(\d\d)$/.exec(zone ?? "");
    this.name = zone || "UTC";
    this.fixed = fixed ? (fixed[1] === "-" ? -1 : 1) * (Number(fixed[2]) * 3600 + Number(fixed[3]) * 60) : 0;
    this.zone = null;
    if (fixed || /^(utc|z|gmt)$/i.test(this.name)) return;
    try {
      const parts = { year: "numeric", month: "numeric", day: "numeric", hour: "numeric", minute: "numeric", second: "numeric" };
      this.zone = new Intl.DateTimeFormat("en-US", { ...parts, hourCycle: "h23", timeZone: zone });
    } catch {
      this.name = "UTC";
    }
  }

  /** Seconds east of UTC at a time. */
  offset(at) {
    if (!this.zone) return this.fixed;
    const part = {};
    for (const { type, value } of this.zone.formatToParts(at * 1000)) part[type] = Number(value);
    return Date.UTC(part.year, part.month - 1, part.day, part.hour, part.minute, part.second) / 1000 - Math.floor(at);
  }

  /** A Date whose UTC fields are the wall clock's. */
  wall(at) {
    return new Date((at + this.offset(at)) * 1000);
  }

  day(at) {
    const d = this.wall(at);
    return `${d.getUTCDate()} ${MONTHS[d.getUTCMonth()]} ${d.getUTCFullYear()}`;
  }

  /** To the second, or to what a step of buckets makes of it. */
  time(at, step = 1) {
    const d = this.wall(at);
    const seconds = step < 60 ? `:${two(d.getUTCSeconds())}` : "";
    const day = `${DAYS[(d.getUTCDay() + 6) % 7]} ${this.day(at)}`;
    return step >= 86400 ? day : `${day} ${two(d.getUTCHours())}:${two(d.getUTCMinutes())}${seconds}`;
  }

  /** As an input of type datetime-local has it. */
  field(at) {
    return this.wall(at).toISOString().slice(0, 19);
  }

  /** The seconds since 1970 of such a field. */
  parse(field) {
    const wall = Date.parse(`${field}Z`) / 1000;
    if (Number.isNaN(wall)) return null;
    return wall - this.offset(wall - this.offset(wall));
  }
}
