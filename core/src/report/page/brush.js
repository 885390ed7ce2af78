// A range of time chosen on a chart: by mouse, by touch, by keyboard.

/**
 * Let a chart's wrapper choose. `domain()` is what it shows now: { from, to, buckets: [{ at, end }] }.
 * `choose(from, to)` is called with what was chosen, `clear()` when it is to be undone, `tell(index)` with the bucket under
 * the pointer or the cursor, and with null when there is none.
 */
function brushable(wrapper, { domain, choose, clear, tell, enabled }) {
  const mark = el("div", { class: "mark", hidden: true });
  const cursor = el("div", { class: "cursor", hidden: true });
  wrapper.append(mark, cursor);
  let anchor = null; // the bucket where a choice began
  let head = null; // and where it is now
  let pressed = null;

  const width = () => wrapper.clientWidth;
  const bucketAt = (clientX) => {
    const { buckets } = domain();
    const at = scale(domain(), width()).at(clientX - wrapper.getBoundingClientRect().left);
    return Math.max(0, Math.min(buckets.length - 1, lowerBound(buckets.map((b) => b.at), at + 1e-6) - 1));
  };
  const place = (node, first, last) => {
    const { buckets } = domain();
    const { x } = scale(domain(), width());
    const left = x(buckets[first].at);
    node.style.left = `${left}px`;
    node.style.width = `${Math.max(1, x(buckets[last].end) - left)}px`;
    node.hidden = false;
  };
  const show = () => {
    const some = domain()?.buckets.length > 0;
    if (some && head !== null) place(cursor, head, head);
    else cursor.hidden = true;
    if (some && head !== null && anchor !== null) place(mark, Math.min(anchor, head), Math.max(anchor, head));
    else mark.hidden = true;
    tell(some ? head : null, cursor);
  };
  const reset = () => {
    anchor = head = pressed = null;
    show();
  };
  const apply = () => {
    const { buckets } = domain();
    const first = Math.min(anchor ?? head, head);
    const last = Math.max(anchor ?? head, head);
    const chosen = [buckets[first].at, buckets[last].end];
    reset();
    choose(...chosen);
  };
  const ready = () => domain()?.buckets.length > 0;

  wrapper.addEventListener("pointerdown", (event) => {
    if (event.button || !ready() || !enabled()) return;
    pressed = event.clientX;
    anchor = head = bucketAt(event.clientX);
    wrapper.setPointerCapture(event.pointerId);
    show();
  });
  wrapper.addEventListener("pointermove", (event) => {
    if (!ready()) return;
    head = bucketAt(event.clientX);
    show();
  });
  wrapper.addEventListener("pointerup", (event) => {
    if (pressed === null) return;
    const moved = Math.abs(event.clientX - pressed) > 4;
    pressed = null;
    // A touch that did not move only shows what is there; a click chooses one bucket, unless it is all there is.
    if (moved || (event.pointerType === "mouse" && domain().buckets.length > 1)) apply();
    else {
      anchor = null;
      show();
    }
  });
  wrapper.addEventListener("pointercancel", reset);
  wrapper.addEventListener("pointerleave", () => {
    if (pressed === null && document.activeElement !== wrapper) reset();
  });
  wrapper.addEventListener("blur", reset);
  wrapper.addEventListener("keydown", (event) => {
    if (!ready() || event.altKey || event.ctrlKey || event.metaKey) return;
    const last = domain().buckets.length - 1;
    const here = head ?? -1;
    const to = {
      ArrowLeft: here < 0 ? last : here - 1, ArrowRight: here + 1, PageUp: here < 0 ? last : here - 24, PageDown: here + 24, Home: 0, End: last,
    }[event.key];
    if (to !== undefined) {
      if (event.shiftKey && enabled()) anchor ??= Math.max(0, here);
      else anchor = null;
      head = Math.max(0, Math.min(last, to));
      show();
    } else if ((event.key === "Enter" || event.key === " ") && head !== null && enabled()) apply();
    else if (event.key === "Escape") {
      if (head === null) clear();
      reset();
    } else return;
    event.preventDefault();
  });
  return { reset };
}

/** The strip under the charts: the whole period, with a window that is dragged by its middle or by its ends. */
function strip(wrapper, { width, domain, chosen, choose }) {
  const window_ = el("div", { class: "window" });
  wrapper.append(window_);
  let drag = null;
  const place = ([from, to]) => {
    const { x } = scale(domain(), width());
    const left = Math.max(LEFT, x(from));
    window_.style.left = `${left}px`;
    window_.style.width = `${Math.max(2, Math.min(width() - RIGHT, x(to)) - left)}px`;
  };
  const snap = (at) => {
    const { buckets, to } = domain();
    const edges = [...buckets.map((b) => b.at), to];
    const i = lowerBound(edges, at);
    if (i === 0) return edges[0];
    if (i >= edges.length) return to;
    return at - edges[i - 1] < edges[i] - at ? edges[i - 1] : edges[i];
  };
  wrapper.addEventListener("pointerdown", (event) => {
    if (event.button || !domain()) return;
    const px = event.clientX - wrapper.getBoundingClientRect().left;
    const { x, at } = scale(domain(), width());
    const [from, to] = chosen();
    const grip = event.pointerType === "mouse" ? 6 : 16;
    const entire = from <= domain().from && to >= domain().to;
    let kind = "new";
    if (Math.abs(px - x(from)) < grip) kind = "from";
    else if (Math.abs(px - x(to)) < grip) kind = "to";
    else if (!entire && px > x(from) && px < x(to)) kind = "move";
    drag = { kind, at: at(px), from, to, now: [from, to] };
    wrapper.setPointerCapture(event.pointerId);
  });
  wrapper.addEventListener("pointermove", (event) => {
    if (!drag) return;
    const { at } = scale(domain(), width());
    const here = at(event.clientX - wrapper.getBoundingClientRect().left);
    const by = here - drag.at;
    if (drag.kind === "move") {
      const from = snap(Math.max(domain().from, Math.min(domain().to - (drag.to - drag.from), drag.from + by)));
      drag.now = [from, snap(from + drag.to - drag.from)];
    } else {
      const fixed = drag.kind === "from" ? drag.to : drag.kind === "to" ? drag.from : snap(drag.at);
      const moving = snap(here);
      drag.now = [Math.min(fixed, moving), Math.max(fixed, moving)];
    }
    place(drag.now);
  });
  wrapper.addEventListener("pointerup", () => {
    if (!drag) return;
    const { now, from, to } = drag;
    drag = null;
    if (now[0] < now[1] && (now[0] !== from || now[1] !== to)) choose(...now);
    else place(chosen());
  });
  wrapper.addEventListener("pointercancel", () => {
    drag = null;
    place(chosen());
  });
  return { place: () => drag || place(chosen()) };
}
