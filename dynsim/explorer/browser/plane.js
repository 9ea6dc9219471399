// The phase plane: field, nullclines, equilibria, separatrices, orbits, and the start that can be taken and moved.

const POINT_MARKS = { "stable node": "stable", "stable focus": "stable", centre: "centre", saddle: "saddle", "non-hyperbolic": "centre" };

function markOf(kind) {
  return POINT_MARKS[kind] ?? "unstable";
}

class Plane {
  constructor(parent, actions) {
    this.actions = actions;
    this.panel = new Panel(parent, "plane", { left: 40, right: 14, top: 20, bottom: 38 });
    const { layer, front } = this.panel;
    this.back = svg("g", { class: "scenery" }, layer);
    this.orbits = svg("g", {}, layer);
    this.end = svg("circle", { class: "end", r: 5 }, front);
    this.handle = svg("g", { class: "start", tabindex: 0, role: "slider", "aria-label": "start point: arrow keys move it, Enter keeps its orbit" }, front);
    svg("circle", { class: "grasp", r: 16 }, this.handle);
    svg("circle", { class: "dot", r: 7 }, this.handle);
    this.legend = new Legend(this.panel.box);
    this.panel.svg.setAttribute("role", "group");
    this.panel.svg.addEventListener("click", (event) => this.clicked(event));
    this.handle.addEventListener("pointerdown", (event) => this.grasp(event));
    this.handle.addEventListener("pointermove", (event) => this.drag(event));
    for (const end of ["pointerup", "pointercancel"]) this.handle.addEventListener(end, (event) => this.release(event));
    this.handle.addEventListener("keydown", (event) => this.key(event));
    this.dragged = null;
    this.moves = 0;
  }

  draw(frame, scene) {
    const panel = this.panel;
    panel.tell(scene.caption);
    this.legend.show(scene, frame.branches);
    if (!panel.measure()) return;
    const [across, upwards] = scene.axes;
    if (scene.equal) panel.equalise(across, upwards);
    panel.scales(across, upwards);
    panel.titles(across.label, upwards.label);
    [this.frame, this.scene] = [frame, scene];
    this.drawScenery(scene);
    panel.each("orbits", frame.orbits, "path", this.orbits, (node, [xs, ys], index) => {
      const branch = frame.branches.length ? `branch-${frame.branch}` : "";
      node.setAttribute("class", index ? "curve orbit more" : `curve orbit ${branch}`);
      node.setAttribute("d", pathOf(xs, ys, panel.x, panel.y));
    });
    const others = frame.branches.filter((one) => one.branch !== frame.branch);
    panel.each("branches", others, "path", this.orbits, (node, one) => {
      node.setAttribute("class", `curve orbit other branch-${one.branch}`);
      node.setAttribute("d", pathOf(...one.orbit, panel.x, panel.y));
    });
    panel.each("starts", frame.orbits.slice(1), "circle", this.orbits, (node, [xs, ys]) => {
      node.setAttribute("class", "more-start");
      node.setAttribute("r", 3);
      node.setAttribute("cx", panel.x.of(xs[0]));
      node.setAttribute("cy", panel.y.of(ys[0]));
    });
    this.drawEnd(frame, scene);
    if (frame.heard >= this.moves) this.put([frame.orbits[0][0][0], frame.orbits[0][1][0]]);
    panel.svg.setAttribute("aria-label", `Phase plane, ${across.label} across, ${upwards.label} upwards. ${frame.sentence}`);
  }

  drawScenery(scene) {
    const panel = this.panel;
    const { x, y } = panel;
    if (scene === this.sceneDrawn && panel.drawn === this.axesDrawn) return;
    [this.sceneDrawn, this.axesDrawn] = [scene, panel.drawn];
    this.back.classList.toggle("unsettled", !scene.settled);
    const length = 0.36 * Math.abs(x.to - x.from) / scene.columns;
    panel.each("arrows", scene.arrows, "path", this.back, (node, [px, py, dx, dy]) => {
      const [ux, uy] = [dx * (x.to - x.from) / (x.high - x.low), dy * (y.to - y.from) / (y.high - y.low)];
      const norm = Math.hypot(ux, uy) || 1;
      const [cx, cy, ax, ay] = [x.of(px), y.of(py), (ux / norm) * length, (uy / norm) * length];
      const [tx, ty] = [cx + ax, cy + ay];
      node.setAttribute("class", "arrow");
      node.setAttribute("d", `M${(cx - ax).toFixed(1)},${(cy - ay).toFixed(1)}L${tx.toFixed(1)},${ty.toFixed(1)}` + head(tx, ty, ax, ay, length));
    });
    panel.each("nullclines", scene.nullclines, "path", this.back, (node, line) => {
      node.setAttribute("class", `nullcline ${line.style}`);
      node.setAttribute("d", pathOf(line.x, line.y, x, y));
    });
    panel.each("separatrices", scene.separatrices, "path", this.back, (node, line) => {
      node.setAttribute("class", line.into ? "separatrix" : "separatrix out");
      node.setAttribute("d", pathOf(line.x, line.y, x, y));
    });
    panel.each("lines", scene.lines, "path", this.back, (node, line) => {
      node.setAttribute("class", `equilibria ${line.attracts ? "stable" : "unstable"}`);
      node.setAttribute("d", pathOf(line.x, line.y, x, y));
    });
    panel.each("points", scene.points, "circle", this.back, (node, point) => {
      node.setAttribute("class", `equilibrium ${markOf(point.kind)}`);
      node.setAttribute("r", 5);
      node.setAttribute("cx", x.of(point.x));
      node.setAttribute("cy", y.of(point.y));
    });
  }

  drawEnd(frame, scene) {
    const at = scene.axes.map((axis) => frame.limit[axis.name]);
    if (scene.axes.length === 2 && at[1] === undefined && scene.line) at[1] = 0;
    const known = at.every((value) => Number.isFinite(value));
    this.end.style.display = known ? "" : "none";
    if (!known) return;
    this.end.setAttribute("cx", this.panel.x.of(at[0]));
    this.end.setAttribute("cy", this.panel.y.of(at[1]));
    this.end.classList.toggle("collapsed", frame.collapsed === true);
  }

  // The handle stays where the hand put it until the frame of that move has come: older frames do not pull it back.
  move(at) {
    this.moves = Math.max(this.moves, this.frame.heard) + 1;
    this.put(at);
    this.actions.move([...at, this.moves]);
  }

  put([px, py]) {
    this.at = [px, py];
    this.handle.setAttribute("transform", `translate(${this.panel.x.of(px).toFixed(1)},${this.panel.y.of(py).toFixed(1)})`);
    const [across, upwards] = this.scene.axes;
    const text = this.scene.line ? `${across.label} ${shortNumber(px)}` : `${across.label} ${shortNumber(px)}, ${upwards.label} ${shortNumber(py)}`;
    for (const [key, value] of Object.entries({ "aria-valuenow": px, "aria-valuemin": across.from, "aria-valuemax": across.to, "aria-valuetext": text })) {
      this.handle.setAttribute(key, value);
    }
  }

  // The place of an event in the coordinates of the plane, kept inside what the sliders reach.
  place(event) {
    const box = this.panel.svg.getBoundingClientRect();
    const raw = [this.panel.x.inverse(event.clientX - box.left), this.panel.y.inverse(event.clientY - box.top)];
    return this.kept(raw);
  }

  kept(raw) {
    return raw.map((value, index) => {
      const axis = this.scene.axes[index];
      const step = axis.step || 0.01;
      return Number((Math.round(Math.min(Math.max(value, axis.from), axis.to) / step) * step).toPrecision(12));
    });
  }

  clicked(event) {
    if (this.scene && !this.moved && !this.handle.contains(event.target)) this.actions.add(this.place(event));
    this.moved = false;
  }

  grasp(event) {
    if (event.button) return;
    event.preventDefault();
    this.handle.focus();
    this.handle.setPointerCapture(event.pointerId);
    this.dragged = this.at;
  }

  drag(event) {
    if (!this.dragged) return;
    this.moved = true;
    this.dragged = this.place(event);
    if (this.scene.line) this.dragged[1] = this.at[1];
    this.move(this.dragged);
  }

  release(event) {
    this.dragged = null;
  }

  key(event) {
    const step = (event.shiftKey ? 10 : 1) * (this.scene?.axes[0].step || 0.01);
    const moves = { ArrowLeft: [-step, 0], ArrowRight: [step, 0], ArrowUp: [0, step], ArrowDown: [0, -step] };
    if (event.key in moves) {
      const [dx, dy] = moves[event.key];
      const next = this.kept([this.at[0] + dx, this.at[1] + dy]);
      if (this.scene.line) next[1] = this.at[1];
      this.move(next);
    } else if (event.key === "Enter" || event.key === " ") {
      this.actions.add(this.at);
    } else {
      return;
    }
    event.preventDefault();
    event.stopPropagation(); // a notebook would take the key for its own
  }
}

function head(x, y, ax, ay, length) {
  const [bx, by] = [(ax / length) * 4, (ay / length) * 4];
  const left = `${(x - bx - by * 0.6).toFixed(1)},${(y - by + bx * 0.6).toFixed(1)}`;
  const right = `${(x - bx + by * 0.6).toFixed(1)},${(y - by - bx * 0.6).toFixed(1)}`;
  return `M${left}L${x.toFixed(1)},${y.toFixed(1)}L${right}`;
}
