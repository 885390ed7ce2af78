// Elements. Text goes into text nodes alone, so a name is never markup.

function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (name === "style") for (const [key, v] of Object.entries(value)) node.style.setProperty(key, v);
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

const el = (tag, attributes, ...children) => fill(document.createElement(tag), attributes, children);
const svg = (tag, attributes, ...children) => fill(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);

/** A table of numbers, made when it is first looked at: what a chart shows, for those who cannot see it. */
function dataTable(key, columns, rows) {
  const details = el("details", { class: "data", "data-details": key }, el("summary", { "data-key": `data-${key}` }, "Data as a table"));
  const open = () => {
    if (!details.open || details.querySelector("table")) return;
    const table = el("table", null,
      el("thead", null, el("tr", null, columns.map((name) => el("th", { scope: "col" }, name)))),
      el("tbody", null, rows().map(([head, ...cells]) =>
        el("tr", null, el("th", { scope: "row" }, head), cells.map((cell) => el("td", null, cell))))));
    details.append(el("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "Data" }, table));
  };
  details.addEventListener("toggle", () => {
    ui.open[key] = details.open;
    open();
  });
  if (ui.open[key]) {
    details.open = true;
    open();
  }
  return details;
}
