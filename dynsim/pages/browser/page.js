// A live page: controls, and pictures drawn by the same code as the explorer's, from numbers computed here.
// DATA (what is explored) and FLOWS (printed from its expressions, one entry per branch) come before this file.

const ARROWS = 15;
const GRID = 61;
const ROLE_WORDS = { predictor: "predictor", encoder: "encoder", teacher: "teacher" };

class Model {
  constructor() {
    this.initial = DATA.states.map((state) => state.value);
    this.values = DATA.parameters.map((parameter) => parameter.value);
    Object.assign(this, { branch: DATA.branch, tEnd: DATA.t_end, log: DATA.time === "log", plane: [...DATA.plane], more: [] });
  }

  get flow() {
    return FLOWS[this.branch];
  }

  // The field at the present parameters.
  get field() {
    const [flow, p] = [this.flow, this.values];
    return { size: DATA.states.length, f: (t, y, out) => flow.f(t, y, p, out), jacobian: (t, y, out) => flow.jacobian(t, y, p, out) };
  }

  // The address holds the state, so that reload, back and a link give the same picture.
  toHash() {
    const part = (items, values) => items.map((item, i) => (values[i] === item.value ? "" : `${encodeURIComponent(item.name)}=${values[i]}`)).filter(Boolean);
    const words = [...part(DATA.states, this.initial), ...part(DATA.parameters, this.values)];
    if (this.branch !== DATA.branch) words.push(`branch:${this.branch}`);
    if (this.tEnd !== DATA.t_end) words.push(`t_end:${this.tEnd}`);
    if (this.log !== (DATA.time === "log")) words.push(`time:${this.log ? "log" : "linear"}`);
    return words.join("&");
  }

  fromHash(text) {
    const fresh = new Model();
    Object.assign(this, { ...fresh, more: this.more });
    for (const word of text.split("&")) {
      const [name, value] = word.split(/[=:]/);
      const number = Number(value);
      const state = DATA.states.findIndex((item) => encodeURIComponent(item.name) === name);
      const parameter = DATA.parameters.findIndex((item) => encodeURIComponent(item.name) === name);
      if (word.includes(":")) {
        if (name === "branch" && Object.hasOwn(FLOWS, value)) this.branch = value;
        if (name === "t_end" && number > 0 && number < 1e6) this.tEnd = number;
        if (name === "time") this.log = value === "log";
      } else if (value !== undefined && value !== "" && Number.isFinite(number)) {
        if (state >= 0) this.initial[state] = number;
        if (parameter >= 0) this.values[parameter] = number;
      }
    }
  }
}

function liveTimes(tEnd) {
  const linear = Array.from({ length: 181 }, (_, i) => (i * tEnd) / 180);
  const ratios = Array.from({ length: 101 }, (_, i) => tEnd * 1e-4 ** (1 - i / 100));
  return Float64Array.from([...new Set([...linear, ...ratios])].sort((a, b) => a - b));
}

// ---- frames: what moves with a slider ----

function makeFrame(model, serial, heard) {
  const { field, flow } = model;
  const times = liveTimes(model.tEnd);
  const runs = [model.initial, ...model.more].map((start) => integrate(field, start, times, 1e-10, 1e-13, 40000));
  const [run] = runs;
  const column = (one, j) => Float64Array.from(one.states, (y) => y[j]);
  const loss = flow.loss ? Float64Array.from(run.states, (y) => flow.loss(y, model.values)) : null;
  const outcome = outcomeOf(model, run);
  return {
    serial, heard, ...outcome, branch: model.branch,
    time: run.times,
    states: DATA.states.map((state, j) => ({ name: state.name, values: column(run, j) })),
    ratios: speedRatios(model, run),
    loss,
    rises: loss !== null && loss.length > 1 && Math.max(...loss) - loss[0] > 1e-3 * Math.max(Math.abs(loss[0]), Math.max(...loss) - Math.min(...loss)),
    orbits: runs.map((one) => inPlane(model, one)),
  };
}

function inPlane(model, run) {
  const [a, b] = model.plane.map((name) => DATA.states.findIndex((state) => state.name === name));
  const across = Float64Array.from(run.states, (y) => y[a]);
  if (b !== undefined) return [across, Float64Array.from(run.states, (y) => y[b])];
  const velocity = new Float64Array(1);
  return [across, Float64Array.from(run.states, (y) => (model.field.f(0, y, velocity), velocity[0]))];
}

function speedRatios(model, run) {
  const fast = DATA.states.findIndex((state) => state.role === "predictor");
  const slow = DATA.states.findIndex((state) => state.role === "encoder");
  if (fast < 0 || slow < 0) return [];
  const slope = new Float64Array(DATA.states.length);
  const [relative, absolute] = [new Float64Array(run.states.length), new Float64Array(run.states.length)];
  run.states.forEach((y, i) => {
    model.field.f(run.times[i], y, slope);
    absolute[i] = Math.abs(slope[fast] / slope[slow]);
    relative[i] = absolute[i] * Math.abs(y[slow] / y[fast]);
  });
  return [{ name: "relative_speed_ratio", values: relative }, { name: "absolute_speed_ratio", values: absolute }];
}

// How the run ends: by the exact rule where there is one, else integrated, and said so.
function outcomeOf(model, run) {
  const none = { limit: {}, collapsed: null, settled: true };
  const now = () => DATA.states.map((state, j) => `${state.label} = ${shortNumber(run.states[run.states.length - 1][j])}`).join(", ");
  if (run.status === "blow-up") return { ...none, sentence: `the run diverges at t = ${shortNumber(run.time)}`, reason: "integrated" };
  if (run.status === "not-finite") return { ...none, sentence: "the start lies outside the domain of the field", reason: "" };
  const rule = model.flow.end ? model.flow.end(model.initial, model.values) : null;
  const exact = rule !== null && rule.every(Number.isFinite);
  let end = exact ? { status: "rest", state: rule } : null;
  if (!end && run.status === "ok") end = integrateToRest(model.field, model.initial, Math.max(1, norm(model.initial)), 1e4);
  if (!end || end.status === "moving") return { ...none, sentence: `${now()} at t = ${shortNumber(run.times[run.times.length - 1])}`, reason: "integrated: no rest in sight; it may circle, drift or grow for ever" };
  if (end.status !== "rest") return { ...none, sentence: `the run diverges at t = ${shortNumber(end.time)}`, reason: "integrated" };
  const order = DATA.states.map((_, j) => j).sort((i, j) => (DATA.states[j].role === "encoder") - (DATA.states[i].role === "encoder"));
  const encoders = DATA.states.map((state, j) => [state, j]).filter(([state]) => state.role === "encoder");
  const zero = 1e-6 * Math.max(1, norm(model.initial));
  const collapsed = encoders.length ? encoders.every(([, j]) => Math.abs(end.state[j]) < zero) : null;
  const word = collapsed === null ? "" : collapsed ? ": collapse" : ": no collapse";
  return {
    sentence: order.map((j) => `${DATA.states[j].label} → ${shortNumber(end.state[j])}`).join(", ") + word,
    reason: exact ? "exact: by what the flow conserves" : `integrated until the run rests, at t = ${shortNumber(end.time)}`,
    limit: Object.fromEntries(DATA.states.map((state, j) => [state.name, end.state[j]])), collapsed, settled: true,
  };
}

// ---- scenes: what stands still while a run moves ----

function makeScene(model, serial, settled) {
  const shown = model.plane.map((name) => DATA.states.find((state) => state.name === name));
  const rows = model.plane.map((name) => DATA.states.findIndex((state) => state.name === name));
  const box = shown.map((state) => state.view);
  const scene = {
    serial, settled, line: rows.length === 1, columns: ARROWS, time: model.log ? "log" : "linear", t_end: model.tEnd, halves: "",
    states: DATA.states, fast: labelOf("predictor", 0), slow: labelOf("encoder", DATA.states.length - 1),
    axes: shown.map((state, i) => ({ name: state.name, label: state.label, low: box[i][0], high: box[i][1], from: state.low, to: state.high, step: state.step })),
    arrows: [], nullclines: [], lines: [], points: [], separatrices: [],
    caption: rows.length === 1 ? "phase line: drag the start" : captionOf(model, rows),
  };
  return rows.length === 1 ? phaseLine(model, scene, box[0]) : phasePlane(model, scene, box, rows, settled);
}

function labelOf(role, otherwise) {
  return (DATA.states.find((state) => state.role === role) ?? DATA.states[otherwise]).label;
}

function captionOf(model, rows) {
  const rest = DATA.states.map((state, j) => [state, j]).filter(([, j]) => !rows.includes(j));
  const where = rest.length ? ` at ${rest.map(([state, j]) => `${state.label} = ${shortNumber(model.initial[j])}`).join(", ")}` : "";
  return `phase plane${where}: drag the start, click to add an orbit`;
}

function phaseLine(model, scene, [low, high]) {
  const xs = Array.from({ length: 241 }, (_, i) => low + (i * (high - low)) / 240);
  const out = new Float64Array(1);
  const velocity = xs.map((x) => (model.field.f(0, [x], out), out[0]));
  const sizes = velocity.map(Math.abs).filter(Number.isFinite).sort((a, b) => a - b);
  const reach = 1.2 * (sizes[Math.floor(0.9 * sizes.length)] || 1);
  scene.axes.push({ name: "", label: `d${scene.axes[0].label}/dt`, low: -reach, high: reach, from: -reach, to: reach, step: reach / 100 });
  scene.nullclines = [{ style: scene.states[0].style, label: scene.states[0].label, x: xs, y: velocity }, { style: "ink", label: "", x: [low, high], y: [0, 0] }];
  scene.points = findEquilibria(model.field, [[low, high]], 60).map((point) => ({ x: point.state[0], y: 0, kind: point.kind }));
  return scene;
}

function phasePlane(model, scene, box, [a, b], settled) {
  const field = model.field;
  const axis = ([low, high], count) => Array.from({ length: count }, (_, i) => low + (i * (high - low)) / (count - 1));
  const [xs, ys] = [axis(box[0], GRID), axis(box[1], GRID)];
  const state = Float64Array.from(model.initial);
  const out = new Float64Array(field.size);
  const at = (x, y) => {
    [state[a], state[b]] = [x, y];
    field.f(0, state, out);
    return out;
  };
  const velocity = xs.map((x) => ys.map((y) => [at(x, y)[a], out[b]]));
  const inner = Array.from({ length: ARROWS }, (_, i) => Math.round(((2 * i + 1) * (GRID - 1)) / (2 * ARROWS)));
  for (const i of inner) {
    for (const j of inner) {
      const [dx, dy] = velocity[i][j];
      if (Number.isFinite(dx + dy) && Math.max(Math.abs(dx), Math.abs(dy)) > 1e-12) scene.arrows.push([xs[i], ys[j], dx, dy]);
    }
  }
  const zero = [0, 1].map((row) => contours(xs, ys, velocity.map((column) => column.map((pairOf) => pairOf[row]))));
  [a, b].forEach((j, row) => zero[row].forEach((line) => scene.nullclines.push({ style: scene.states[j].style, label: scene.states[j].label, ...line })));
  if (field.size !== 2) {
    if (settled) scene.points = pointsIn(model, [a, b]);
    return scene;
  }
  scene.lines = linesOfEquilibria(field, zero, velocity);
  if (!settled) return scene;
  const found = findEquilibria(field, box, 15);
  scene.points = found.map((point) => ({ x: point.state[0], y: point.state[1], kind: point.kind }));
  scene.separatrices = model.flow.end ? fateBoundary(model, xs, ys) : [];
  if (!model.flow.end) for (const point of found) if (point.kind === "saddle") scene.separatrices.push(...manifoldOf(field, point, box, true), ...manifoldOf(field, point, box, false));
  return scene;
}

// Equilibria of a system of three or four states, projected onto the plane.
function pointsIn(model, [a, b]) {
  const box = DATA.states.map((state) => state.view);
  return findEquilibria(model.field, box, model.field.size === 3 ? 8 : 5).map((point) => ({ x: point.state[a], y: point.state[b], kind: point.kind }));
}

// Where one component of the field vanishes along a curve and the other on it as well; cut where stability changes.
function linesOfEquilibria(field, zero, velocity) {
  const sizes = velocity.flat(2).map(Math.abs).filter(Number.isFinite).sort((one, other) => one - other);
  const small = 1e-9 * (sizes[Math.floor(0.9 * sizes.length)] || 1);
  const [out, jacobian] = [new Float64Array(2), new Float64Array(4)];
  const pieces = [];
  for (const line of zero.flat()) {
    let piece = null;
    for (let i = 0; i < line.x.length; i++) {
      const point = [line.x[i], line.y[i]];
      field.f(0, point, out);
      const rests = Math.abs(out[0]) < small && Math.abs(out[1]) < small;
      if (!rests) {
        piece = null;
        continue;
      }
      field.jacobian(0, point, jacobian);
      const attracts = jacobian[0] + jacobian[3] < 0;
      if (!piece || piece.attracts !== attracts) {
        const joint = piece ? [piece.x[piece.x.length - 1], piece.y[piece.y.length - 1]] : null;
        piece = { attracts, x: joint ? [joint[0]] : [], y: joint ? [joint[1]] : [] };
        pieces.push(piece);
      }
      piece.x.push(point[0]);
      piece.y.push(point[1]);
    }
  }
  const kept = pieces.filter((piece) => piece.x.length > 2);
  const key = (piece) => [piece.x[0], piece.y[0], piece.x.at(-1), piece.y.at(-1)].map((value) => value.toFixed(6)).sort().join();
  return [...new Map(kept.map((piece) => [key(piece), piece])).values()];
}

// The boundary between the starts that collapse and those that live, by the exact rule, refined by bisection.
function fateBoundary(model, xs, ys) {
  const encoder = DATA.states.findIndex((state) => state.role === "encoder");
  if (encoder < 0) return [];
  const start = Float64Array.from(model.initial);
  const rows = model.plane.map((name) => DATA.states.findIndex((state) => state.name === name));
  const fate = ([x, y]) => {
    [start[rows[0]], start[rows[1]]] = [x, y];
    const end = model.flow.end(start, model.values);
    return end === null || !Number.isFinite(end[encoder]) ? NaN : Math.abs(end[encoder]) > 1e-12 ? 1 : -1;
  };
  const refine = (from, to) => {
    const first = fate(from);
    let [low, high] = [0, 1];
    for (let i = 0; i < 20; i++) {
      const middle = (low + high) / 2;
      const here = from.map((value, j) => value + middle * (to[j] - value));
      if (fate(here) === first) low = middle;
      else high = middle;
    }
    return (low + high) / 2;
  };
  // Starts on θ = 0 never move; a grid that avoids the line sees the boundary and not the line.
  const shifted = ys.map((y) => (Math.abs(y) < 1e-9 ? y + 1e-6 * (ys[1] - ys[0]) : y));
  const values = xs.map((x) => shifted.map((y) => fate([x, y])));
  return contours(xs, shifted, values, refine).map((line) => ({ ...line, into: true }));
}

// ---- the page ----

function slider(parent, item, value, changed) {
  const row = html("div", { class: "control" }, parent);
  const id = `dynsim-${Math.random().toString(36).slice(2)}`;
  html("label", { for: id, title: item.title ?? "" }, row, item.label);
  const range = html("input", { type: "range", id, min: 0, step: 1, "aria-valuetext": "" }, row);
  const box = html("input", { type: "number", step: "any", "aria-label": item.label }, row);
  const log = item.low > 0 && item.high / item.low > 50;
  const most = log ? 1000 : Math.max(1, Math.round((item.high - item.low) / item.step));
  range.max = most;
  const toPosition = (x) => most * (log ? Math.log(Math.max(x, item.low) / item.low) / Math.log(item.high / item.low) : (x - item.low) / (item.high - item.low));
  const toValue = (position) => {
    const share = position / most;
    const raw = log ? item.low * (item.high / item.low) ** share : item.low + share * (item.high - item.low);
    return log ? Number(raw.toPrecision(3)) : Number((Math.round(raw / item.step) * item.step).toPrecision(12));
  };
  const show = (x) => {
    range.value = toPosition(x);
    range.setAttribute("aria-valuetext", shortNumber(x));
    if (document.activeElement !== box) box.value = x;
  };
  range.addEventListener("input", () => changed(toValue(Number(range.value))));
  box.addEventListener("input", () => box.value !== "" && Number.isFinite(box.valueAsNumber) && changed(box.valueAsNumber));
  box.addEventListener("blur", () => show(item.now()));
  show(value);
  return show;
}

function choices(parent, legend, names, labels, chosen, changed) {
  const group = html("fieldset", {}, parent);
  html("legend", {}, group, legend);
  const name = `dynsim-${legend.replaceAll(" ", "-")}`;
  const buttons = names.map((value, i) => {
    const label = html("label", {}, group);
    const input = html("input", { type: "radio", name, value }, label);
    label.append(labels[i]);
    input.checked = value === chosen;
    input.addEventListener("change", () => changed(value));
    return input;
  });
  return (value) => buttons.forEach((button) => (button.checked = button.value === value));
}

function start() {
  const model = new Model();
  if (location.hash.length > 1) model.fromHash(location.hash.slice(1));
  const root = document.getElementById("dynsim");
  const controls = document.getElementById("dynsim-controls");
  const view = html("div", { class: "dynsim-view" }, root);
  const words = html("div", { class: "dynsim-words", "aria-live": "polite" }, view);
  const sentence = html("p", { class: "dynsim-sentence" }, words);
  const reason = html("p", { class: "dynsim-reason" }, words);
  const stage = html("div", { class: "dynsim-stage" }, view);
  let [frame, scene, serial, heard, waiting, settling] = [null, null, 0, 0, false, 0];

  const plane = new Plane(stage, {
    move([x, y, move]) {
      const rows = model.plane.map((name) => DATA.states.findIndex((state) => state.name === name));
      rows.forEach((j, i) => (model.initial[j] = [x, y][i]));
      heard = move;
      update(DATA.states.length > 2);
    },
    add([x, y]) {
      const rows = model.plane.map((name) => DATA.states.findIndex((state) => state.name === name));
      const orbit = [...model.initial];
      rows.forEach((j, i) => (orbit[j] = [x, y][i]));
      model.more = [...model.more, orbit].slice(-8);
      update(false);
    },
  });
  const panels = new TimePanels(html("div", { class: "dynsim-curves" }, stage));

  function draw() {
    const begun = performance.now();
    frame = makeFrame(model, ++serial, heard);
    if (!scene) scene = makeScene(model, serial, false);
    paint();
    root.dataset.ms = (performance.now() - begun).toFixed(1);
    root.dataset.last = frame.states.map((state) => state.values[state.values.length - 1]).join(",");
  }

  function paint() {
    plane.draw(frame, scene);
    panels.draw(frame, scene);
    if (sentence.textContent !== frame.sentence) sentence.textContent = frame.sentence;
    if (reason.textContent !== frame.reason) reason.textContent = frame.reason;
    words.className = `dynsim-words ${{ true: "collapsed", false: "alive" }[frame.collapsed] ?? ""}`;
    root.dataset.serial = serial;
    root.dataset.branch = model.branch;
    for (const block of document.querySelectorAll("[data-branch-block]")) block.hidden = block.dataset.branchBlock !== model.branch;
  }

  // The picture follows at once; equilibria and separatrices when the hand rests.
  function update(sceneToo = true) {
    if (sceneToo) scene = null;
    if (!waiting) {
      waiting = true;
      requestAnimationFrame(() => {
        waiting = false;
        showControls();
        draw();
      });
    }
    clearTimeout(settling);
    settling = setTimeout(() => {
      if (!frame) draw(); // a page that is not yet on the screen gets no animation frame
      if (!scene || !scene.settled) {
        scene = makeScene(model, ++serial, true);
        paint();
      }
      root.dataset.settled = serial;
      const hash = model.toHash();
      if (hash !== location.hash.slice(1)) history.replaceState(null, "", hash ? `#${hash}` : location.pathname + location.search);
    }, 120);
  }

  const shown = [];
  const group = (title) => {
    const box = html("section", { "aria-label": title }, controls);
    html("h2", {}, box, title);
    return box;
  };
  if (DATA.branches.length > 1) {
    const labels = DATA.branches.map((name) => ({ stop: "stop-gradient", full: "full gradient", target: "target branch only" })[name] ?? name);
    const set = choices(group("branch"), "branch", DATA.branches, labels, model.branch, (value) => { model.branch = value; update(); });
    shown.push(() => set(model.branch));
  }
  const starts = group("start");
  DATA.states.forEach((state, j) => {
    const item = { ...state, label: `${state.label}(0)`, now: () => model.initial[j], title: ROLE_WORDS[state.role] ?? "" };
    const show = slider(starts, item, model.initial[j], (value) => { model.initial[j] = value; update(DATA.states.length > 2); });
    shown.push(() => show(model.initial[j]));
  });
  if (DATA.parameters.length) {
    const box = group("parameters");
    DATA.parameters.forEach((parameter, j) => {
      const show = slider(box, { ...parameter, now: () => model.values[j] }, model.values[j], (value) => { model.values[j] = value; update(); });
      shown.push(() => show(model.values[j]));
    });
  }
  const timeBox = group("time");
  const horizon = { label: "t end", low: 1, high: 1000, step: 1, now: () => model.tEnd };
  const showHorizon = slider(timeBox, horizon, model.tEnd, (value) => { if (value > 0 && value < 1e6) { model.tEnd = value; update(); } });
  const setTime = choices(timeBox, "time axis", ["linear", "log"], ["linear", "logarithmic"], model.log ? "log" : "linear", (value) => { model.log = value === "log"; update(); });
  shown.push(() => showHorizon(model.tEnd), () => setTime(model.log ? "log" : "linear"));
  const buttons = html("div", { class: "dynsim-toolbar" }, controls);
  const button = (label, pressed) => html("button", { type: "button" }, buttons, label).addEventListener("click", pressed);
  button("Defaults", () => { Object.assign(model, new Model()); update(); });
  button("Clear orbits", () => { model.more = []; update(false); });
  const showControls = () => shown.forEach((show) => show());

  new ResizeObserver(() => frame && scene && paint()).observe(stage);
  window.addEventListener("hashchange", () => { model.fromHash(location.hash.slice(1)); update(); });
  update();
}

// What a test asks: a run at given times, equilibria of a box, eigenvalues, contours.
globalThis.dynsimNumerics = { integrate, findEquilibria, eigenvalues, contours, erf, softplus, sigmoid, logcosh, logsumexp, FLOWS, DATA };
start();
