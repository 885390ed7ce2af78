// What is filtered, and how the page's address says so: #from=&to=&class=&url=&host=…

const FIELDS = ["from", "to", "class", ...Object.keys(DICTIONARIES)];
const LABELS = {
  class: "class", url: "URL", host: "host", status: "status", method: "method", protocol: "protocol",
  type: "file type", referer: "referrer", agent: "agent",
};

/** The fragment of the address that says so; times in UTC. */
function toHash(filter) {
  const parts = new URLSearchParams();
  for (const field of FIELDS) {
    const value = filter[field];
    if (value === undefined) continue;
    if (field === "from" || field === "to") parts.set(field, new Date(value * 1000).toISOString().replace(".000Z", "Z"));
    else parts.set(field, field === "class" ? CLASSES[value] : value);
  }
  const text = parts.toString();
  return text ? `#${text}` : "";
}

/** The filter of such a fragment; what means nothing is left out. */
function fromHash(hash) {
  const filter = {};
  for (const [field, value] of new URLSearchParams(hash.replace(/^#/, ""))) {
    if (field === "from" || field === "to") {
      const at = /^-?\d+$/.test(value) ? Number(value) : Date.parse(value) / 1000;
      if (Number.isFinite(at) && Math.abs(at) < 8e12) filter[field] = Math.floor(at);
    } else if (field === "class") {
      if (CLASSES.includes(value)) filter.class = CLASSES.indexOf(value);
    } else if (field === "status") {
      if (/^\d{1,5}$/.test(value)) filter.status = Number(value);
    } else if (FIELDS.includes(field)) filter[field] = value;
  }
  return filter;
}

/** The filter with a field set, or, where it is set to that already, without it. */
function toggled(filter, field, value) {
  const next = { ...filter };
  if (next[field] === value) delete next[field];
  else next[field] = value;
  return next;
}

const isEmpty = (filter) => Object.keys(filter).length === 0;
