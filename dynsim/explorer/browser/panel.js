// One panel: axes, a clipped layer for curves, labels at their ends. Elements are made once and updated.

function svg(tag, attributes = {}, parent = null) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  parent?.append(node);
  return node;
}

function html(tag, attributes = {}, parent = null, text = "") {
  const node = document.createElement(tag);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  if (text) node.textContent = text;
  parent?.append(node);
  return node;
}

let panels = 0;

class Panel {
  constructor(parent, name, margins) {
    this.margins = margins;
    this.box = html("figure", { class: `dynsim-panel dynsim-${name}` }, parent);
    this.caption = html("figcaption", {}, this.box);
    this.svg = svg("svg", { role: "img", "aria-label": "" }, this.box);
    this.grid = svg("g", { class: "grid" }, this.svg);
    const clip = svg("clipPath", { id: `dynsim-clip-${++panels}` }, svg("defs", {}, this.svg));
    this.window = svg("rect", {}, clip);
    this.layer = svg("g", { "clip-path": `url(#dynsim-clip-${panels})` }, this.svg);
    this.front = svg("g", {}, this.svg);
    this.xTitle = svg("text", { class: "axis-title", "text-anchor": "end" }, this.svg);
    this.yTitle = svg("text", { class: "axis-title" }, this.svg);
    this.pools = new Map();
    this.size = { width: 0, height: 0 };
  }

  // Inner rectangle in pixels; false while the panel is not on the screen.
  measure() {
    const { clientWidth: width, clientHeight: height } = this.svg;
    if (width < 60 || height < 50) return false;
    const { left, right, top, bottom } = this.margins;
    this.size = { width, height };
    this.keep({ left, top, right: width - right, bottom: height - bottom });
    return true;
  }

  keep(inner) {
    this.inner = inner;
    const { left, top, right, bottom } = inner;
    for (const [key, value] of Object.entries({ x: left, y: top, width: right - left, height: bottom - top })) {
      this.window.setAttribute(key, Math.max(0, value));
    }
  }

  // Shrink the inner rectangle until a unit is as long across as upwards: circles are drawn as circles.
  equalise(x, y) {
    const { left, top, right, bottom } = this.inner;
    const unit = Math.min((right - left) / (x.high - x.low), (bottom - top) / (y.high - y.low));
    const [width, height] = [unit * (x.high - x.low), unit * (y.high - y.low)];
    const shift = (right - left - width) / 2;
    this.keep({ left: left + shift, top, right: left + shift + width, bottom: top + height });
  }

  tell(caption) {
    if (this.caption.textContent !== caption) this.caption.textContent = caption;
  }

  scales(x, y) {
    const { left, right, top, bottom } = this.inner;
    this.x = new (x.log ? LogScale : LinearScale)(x.low, x.high, left, right);
    this.y = new (y.log ? LogScale : LinearScale)(y.low, y.high, bottom, top);
    const key = JSON.stringify([x, y, this.inner]);
    if (key !== this.drawn) this.axes();
    this.drawn = key;
  }

  axes() {
    const { left, right, top, bottom } = this.inner;
    const xTicks = this.x.ticks(Math.max(2, Math.floor((right - left) / 60)));
    const yTicks = this.y.ticks(Math.max(2, Math.floor((bottom - top) / (bottom - top > 250 ? 44 : 22))));
    this.each("x-lines", xTicks, "line", this.grid, (node, tick) => place(node, this.x.of(tick.value), top, this.x.of(tick.value), bottom));
    this.each("y-lines", yTicks, "line", this.grid, (node, tick) => place(node, left, this.y.of(tick.value), right, this.y.of(tick.value)));
    this.each("x-texts", xTicks, "text", this.grid, (node, tick) => write(node, this.x.of(tick.value), bottom + 14, tick.label, "middle"));
    this.each("y-texts", yTicks, "text", this.grid, (node, tick) => write(node, left - 5, this.y.of(tick.value) + 3.5, tick.label, "end"));
  }

  titles(x, y) {
    write(this.xTitle, (this.inner.left + this.inner.right) / 2, this.inner.bottom + 30, x, "middle");
    write(this.yTitle, Math.max(6, this.inner.left - 34), 15, y, "start");
  }

  // One element per item: those that exist are updated, those that are too many are hidden.
  each(name, items, tag, parent, update) {
    const pool = this.pools.get(name) ?? [];
    this.pools.set(name, pool);
    items.forEach((item, index) => {
      pool[index] ??= svg(tag, {}, parent);
      pool[index].style.display = "";
      update(pool[index], item, index);
    });
    for (const extra of pool.slice(items.length)) extra.style.display = "none";
    return pool;
  }

  // Labels at the right end of curves, pushed apart where they would overlap.
  endLabels(items) {
    const sorted = items.filter((item) => Number.isFinite(item.y)).sort((a, b) => a.y - b.y);
    const { top, bottom, right } = this.inner;
    let last = -Infinity;
    for (const item of sorted) {
      item.at = Math.max(Math.min(Math.max(item.y, top + 4), bottom), last + 13);
      last = item.at;
    }
    let next = bottom - 6;
    for (const item of [...sorted].reverse()) {
      item.at = Math.min(item.at, next);
      next = item.at - 13;
    }
    this.each("end-labels", sorted, "text", this.front, (node, item) => {
      write(node, right + 5, item.at + 3.5, item.text, "start");
      node.setAttribute("class", `end-label ${item.style}`);
    });
  }
}

function place(node, x1, y1, x2, y2) {
  node.setAttribute("x1", x1);
  node.setAttribute("y1", y1);
  node.setAttribute("x2", x2);
  node.setAttribute("y2", y2);
}

function write(node, x, y, text, anchor) {
  node.setAttribute("x", x);
  node.setAttribute("y", y);
  node.setAttribute("text-anchor", anchor);
  if (node.textContent !== text) node.textContent = text;
}
