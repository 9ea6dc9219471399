// What a live page shows: its state, frames (what moves with a slider) and scenes (what stands still).
// DATA (what is explored) and FLOWS (printed from its expressions, one entry per branch) come before this file.

const ARROWS = 15;
const ROLE_WORDS = { predictor: "predictor", encoder: "encoder", teacher: "teacher" };

class Model {
  constructor() {
    this.initial = DATA.states.map((state) => state.value);
    this.values = DATA.parameters.map((parameter) => parameter.value);
    Object.assign(this, { branch: DATA.branch, tEnd: DATA.t_end, log: DATA.time === "log", plane: [...DATA.plane], more: [], compare: DATA.compare });
  }

  // Take over a view of the table that explorer and pages share; the scale of time stays.
  open(preset) {
    Object.assign(this, { initial: [...preset.initial], values: [...preset.values], branch: preset.branch, tEnd: preset.t_end, compare: preset.compare, more: [] });
  }

  // Whether everything but the scale of time and the plane is as in a preset.
  shows(preset) {
    const same = (one, other) => one.every((value, i) => value === other[i]);
    return same(this.initial, preset.initial) && same(this.values, preset.values) && this.branch === preset.branch
      && this.tEnd === preset.t_end && this.compare === preset.compare && !this.more.length;
  }

  get flow() {
    return FLOWS[this.branch];
  }

  // The field at the present parameters.
  get field() {
    return this.fieldOf(this.branch);
  }

  fieldOf(branch) {
    const [flow, p] = [FLOWS[branch], this.values];
    return { size: DATA.states.length, f: (t, y, out) => flow.f(t, y, p, out), jacobian: (t, y, out) => flow.jacobian(t, y, p, out) };
  }

  // The address holds the state, so that reload, back and a link give the same picture.
  toHash() {
    const part = (items, values) => items.map((item, i) => (values[i] === item.value ? "" : `${encodeURIComponent(item.name)}=${values[i]}`)).filter(Boolean);
    const words = [...part(DATA.states, this.initial), ...part(DATA.parameters, this.values)];
    if (this.branch !== DATA.branch) words.push(`branch:${this.branch}`);
    if (this.tEnd !== DATA.t_end) words.push(`t_end:${this.tEnd}`);
    if (this.log !== (DATA.time === "log")) words.push(`time:${this.log ? "log" : "linear"}`);
    if (this.compare !== DATA.compare) words.push(`compare:${this.compare ? "yes" : "no"}`);
    if (this.plane.join() !== DATA.plane.join()) words.push(`plane:${this.plane.map(encodeURIComponent).join(",")}`);
    if (this.more.length) words.push(`more:${this.more.map((start) => start.join(",")).join(";")}`);
    return words.join("&");
  }

  fromHash(text) {
    Object.assign(this, new Model());
    for (const word of text.split("&")) {
      const [name, value] = word.split(/[=:]/);
      const number = Number(value);
      const state = DATA.states.findIndex((item) => encodeURIComponent(item.name) === name);
      const parameter = DATA.parameters.findIndex((item) => encodeURIComponent(item.name) === name);
      if (word.includes(":")) {
        if (name === "branch" && Object.hasOwn(FLOWS, value)) this.branch = value;
        if (name === "t_end" && number > 0 && number < 1e6) this.tEnd = number;
        if (name === "time") this.log = value === "log";
        if (name === "compare") this.compare = value === "yes" && DATA.branches.length > 1;
        if (name === "plane") this.choosePlane(value.split(",").map(decodeURIComponent));
        if (name === "more") this.more = value.split(";").slice(-MOST_ORBITS).map((start) => start.split(",").map(Number)).filter(isStart);
      } else if (value !== undefined && value !== "" && Number.isFinite(number)) {
        if (state >= 0) this.initial[state] = number;
        if (parameter >= 0) this.values[parameter] = number;
      }
    }
  }

  choosePlane(names) {
    const known = names.every((name) => DATA.states.some((state) => state.name === name));
    if (known && names.length === DATA.plane.length && new Set(names).size === names.length) this.plane = names;
  }
}

const MOST_ORBITS = 8;

function isStart(start) {
  return start.length === DATA.states.length && start.every(Number.isFinite);
}

// Microseconds that one velocity takes: a flow with averages is a sum over its nodes, and is looked at more coarsely.
function costOf(field) {
  const [out, start] = [new Float64Array(field.size), DATA.states.map((state) => state.value)];
  let [count, begun] = [0, performance.now()];
  while (performance.now() - begun < 3) for (let i = 0; i < 8; i++, count++) field.f(0, start, out);
  return (1000 * (performance.now() - begun)) / count;
}

const EFFORTS = new Map();

function effortOf(model) {
  if (!EFFORTS.has(model.branch)) {
    const cost = costOf(model.field);
    EFFORTS.set(model.branch, {
      grid: Math.max(21, Math.min(61, Math.floor(Math.sqrt(40000 / cost)))),
      starts: Math.max(5, Math.min(15, Math.floor(Math.sqrt(2000 / cost)))),
      tolerance: cost > 20 ? 1e-7 : 1e-10,
      steps: Math.max(1000, Math.min(200000, Math.floor(30000 / cost))), // of the way to rest: a fifth of a second
    });
  }
  return EFFORTS.get(model.branch);
}

function indexOf(name) {
  return DATA.states.findIndex((state) => state.name === name);
}

// Indices of the encoder's states.
function encoders() {
  return DATA.states.map((state, j) => (state.role === "encoder" ? j : -1)).filter((j) => j >= 0);
}

// The state of which branches are compared: the first encoder, else the last one.
function comparedState() {
  return encoders()[0] ?? DATA.states.length - 1;
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
  const { tolerance } = effortOf(model);
  const follow = (one, start) => integrate(one, start, times, tolerance, 1e-3 * tolerance, 40000);
  const runs = [model.initial, ...model.more].map((start) => follow(field, start));
  const [run] = runs;
  const column = (one, j) => Float64Array.from(one.states, (y) => y[j]);
  const loss = lossAlong(flow, run, model.values);
  const outcome = outcomeOf(model, run);
  const compared = model.compare && DATA.branches.length > 1 ? DATA.branches : [];
  const branches = compared.map((branch) => {
    const one = branch === model.branch ? run : follow(model.fieldOf(branch), model.initial);
    return { branch, encoder: padded(column(one, comparedState()), times.length), loss: padded(lossAlong(FLOWS[branch], one, model.values), times.length), orbit: inPlane(model, one, branch) };
  });
  return {
    serial, heard, distance: "", ...outcome, branch: model.branch, branches,
    time: branches.length ? times : run.times,
    states: DATA.states.map((state, j) => ({ name: state.name, values: column(run, j) })),
    ratios: DATA.steady ? speedRatios(model, run) : [],
    loss,
    rises: loss !== null && loss.length > 1 && Math.max(...loss) - loss[0] > 1e-3 * Math.max(Math.abs(loss[0]), Math.max(...loss) - Math.min(...loss)),
    orbits: runs.map((one) => inPlane(model, one)),
  };
}

function lossAlong(flow, run, p) {
  const out = new Float64Array(1);
  return flow.loss ? Float64Array.from(run.states, (y, i) => (flow.loss(run.times[i], y, p, out), out[0])) : null;
}

// Values of a run that ended early, with nothing after its end.
function padded(values, length) {
  if (!values || values.length === length) return values;
  const result = new Float64Array(length).fill(NaN);
  result.set(values);
  return result;
}

function inPlane(model, run, branch = model.branch) {
  const [a, b] = model.plane.map(indexOf);
  const across = Float64Array.from(run.states, (y) => y[a]);
  if (b !== undefined) return [across, Float64Array.from(run.states, (y) => y[b])];
  const velocity = new Float64Array(1);
  return [across, Float64Array.from(run.states, (y) => (model.fieldOf(branch).f(0, y, velocity), velocity[0]))];
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
  if (!DATA.steady) return { ...none, sentence: `${now()} at t = ${shortNumber(run.times[run.times.length - 1])}`, reason: "integrated: the flow changes with the time t, so that nothing in it rests" };
  const rule = model.flow.end ? model.flow.end(model.initial, model.values) : null;
  const exact = rule !== null && rule.every(Number.isFinite);
  let end = exact ? { status: "rest", state: rule } : null;
  if (!end && run.status === "ok") end = integrateToRest(model.field, model.initial, Math.max(1, norm(model.initial)), 1e4, effortOf(model).steps);
  if (run.status === "step-limit" && heldByJump(model.field, run)) end = { status: "rest", state: run.last, time: run.time, held: true };
  else if (run.status === "step-limit") return { ...none, sentence: `${now()} at t = ${shortNumber(run.times[run.times.length - 1])}`, reason: "the page gave up there: too many steps, as where the field jumps" };
  if (!end || end.status === "moving") return { ...none, sentence: `${now()} at t = ${shortNumber(run.times[run.times.length - 1])}`, reason: "integrated: no rest in sight of the page; it may circle, drift or grow for ever" };
  if (end.status !== "rest") return { ...none, sentence: `the run diverges at t = ${shortNumber(end.time)}`, reason: "integrated" };
  const order = DATA.states.map((_, j) => j).sort((i, j) => (DATA.states[j].role === "encoder") - (DATA.states[i].role === "encoder"));
  const zero = 1e-6 * Math.max(1, norm(model.initial));
  const collapsed = encoders().length ? encoders().every((j) => Math.abs(end.state[j]) < zero) : null;
  const word = collapsed === null ? "" : collapsed ? ": collapse" : ": no collapse";
  return {
    sentence: order.map((j) => `${DATA.states[j].label} → ${shortNumber(end.state[j])}`).join(", ") + word,
    reason: end.held ? "integrated: the field jumps there, and holds the run" : exact ? "exact: by what the flow conserves" : `integrated until the run rests, at t = ${shortNumber(end.time)}`,
    limit: Object.fromEntries(DATA.states.map((state, j) => [state.name, end.state[j]])), collapsed, settled: true,
  };
}

// Whether a run of one state chatters about a place to which the field leads from both sides.
function heldByJump(field, run) {
  if (field.size !== 1) return false;
  const [at, out] = [run.last[0], new Float64Array(1)];
  const beside = 1e-6 * Math.max(1, Math.abs(at));
  const velocity = (y) => (field.f(0, [y], out), out[0]);
  return velocity(at - beside) > 0 && velocity(at + beside) < 0;
}

// ---- scenes: what stands still while a run moves ----

function makeScene(model, serial, settled) {
  const shown = model.plane.map((name) => DATA.states.find((state) => state.name === name));
  const rows = model.plane.map(indexOf);
  const box = shown.map((state) => state.view);
  const scene = {
    serial, settled, line: rows.length === 1, columns: ARROWS, time: model.log ? "log" : "linear", t_end: model.tEnd, halves: "",
    states: DATA.states, fast: labelOf("predictor", 0), slow: labelOf("encoder", DATA.states.length - 1),
    axes: shown.map((state, i) => ({ name: state.name, label: state.label, low: box[i][0], high: box[i][1], from: state.low, to: state.high, step: state.step })),
    compared: DATA.states[comparedState()].label, equal: equalScales(box),
    arrows: [], nullclines: [], lines: [], points: [], separatrices: [],
    caption: rows.length === 1 ? "phase line: drag the start" : captionOf(model, rows),
  };
  if (!DATA.steady) scene.caption = `${rows.length === 1 ? "velocity" : "field"} at t = 0: it changes with t, so there are no nullclines and no equilibria`;
  return rows.length === 1 ? phaseLine(model, scene, box[0]) : phasePlane(model, scene, box, rows, settled);
}

// Whether a unit is drawn equally long across and upwards; not where most of the plane would stay empty.
function equalScales(box) {
  if (box.length < 2) return false;
  const [across, upwards] = box.map(([low, high]) => high - low);
  return across / upwards >= 1 / 3 && across / upwards <= 3;
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
  if (!DATA.steady) return { ...scene, settled: true };
  scene.points = findEquilibria(model.field, [[low, high]], 4 * effortOf(model).starts).map((point) => ({ x: point.state[0], y: 0, kind: point.kind }));
  return scene;
}

function phasePlane(model, scene, box, [a, b], settled) {
  const field = model.field;
  const axis = ([low, high], count) => Array.from({ length: count }, (_, i) => low + (i * (high - low)) / (count - 1));
  const { grid, starts } = effortOf(model);
  const [xs, ys] = [axis(box[0], grid), axis(box[1], grid)];
  const state = Float64Array.from(model.initial);
  const out = new Float64Array(field.size);
  const at = (x, y) => {
    [state[a], state[b]] = [x, y];
    field.f(0, state, out);
    return out;
  };
  const velocity = xs.map((x) => ys.map((y) => [at(x, y)[a], out[b]]));
  const inner = Array.from({ length: ARROWS }, (_, i) => Math.round(((2 * i + 1) * (grid - 1)) / (2 * ARROWS)));
  for (const i of inner) {
    for (const j of inner) {
      const [dx, dy] = velocity[i][j];
      if (Number.isFinite(dx + dy) && Math.max(Math.abs(dx), Math.abs(dy)) > 1e-12) scene.arrows.push([xs[i], ys[j], dx, dy]);
    }
  }
  if (!DATA.steady) return { ...scene, settled: true };
  const zero = [0, 1].map((row) => contours(xs, ys, velocity.map((column) => column.map((pairOf) => pairOf[row]))));
  [a, b].forEach((j, row) => zero[row].forEach((line) => scene.nullclines.push({ style: scene.states[j].style, label: scene.states[j].label, ...line })));
  if (field.size !== 2) {
    if (settled) scene.points = pointsIn(model, [a, b]);
    return scene;
  }
  scene.lines = linesOfEquilibria(field, zero, velocity);
  if (!settled) return scene;
  const found = findEquilibria(field, box, starts);
  scene.points = found.map((point) => ({ x: point.state[0], y: point.state[1], kind: point.kind }));
  const ruled = model.flow.end ? fateBoundary(model, xs, ys) : null;
  scene.separatrices = ruled ?? [];
  if (!ruled) for (const point of found) if (point.kind === "saddle") scene.separatrices.push(...manifoldOf(field, point, box, true), ...manifoldOf(field, point, box, false));
  return scene;
}

// Equilibria of a system of three or four states, projected onto the plane.
function pointsIn(model, [a, b]) {
  const box = DATA.states.map((state) => state.view);
  return findEquilibria(model.field, box, Math.min(effortOf(model).starts, model.field.size === 3 ? 8 : 5)).map((point) => ({ x: point.state[a], y: point.state[b], kind: point.kind }));
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

// The boundary between the starts that collapse and those that live, by the exact rule, refined by bisection; null
// where the rule does not decide every start.
function fateBoundary(model, xs, ys) {
  const [encoder] = encoders();
  if (encoder === undefined) return null;
  const start = Float64Array.from(model.initial);
  const rows = model.plane.map(indexOf);
  const fate = ([x, y]) => {
    [start[rows[0]], start[rows[1]]] = [x, y];
    const end = model.flow.end(start, model.values)[encoder]; // infinite where the encoder grows for ever
    return Number.isNaN(end) ? NaN : Math.abs(end) > 1e-12 ? 1 : -1;
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
  if (values.some((column) => column.some(Number.isNaN))) return null;
  return contours(xs, shifted, values, refine).map((line) => ({ ...line, into: true }));
}

// How far the start is from the other fate, by the exact rule of a plane: along rays, then closer and closer.
function distanceToCollapse(model) {
  const { end } = model.flow;
  const held = encoders();
  if (!end || !DATA.steady || DATA.states.length !== 2 || !held.length || held.every((j) => model.initial[j] === 0)) return "";
  let open = false; // whether the rule was silent anywhere
  const collapses = (y) => {
    const limit = end(y, model.values);
    if (held.some((j) => Number.isNaN(limit[j]))) open = true;
    return held.every((j) => Math.abs(limit[j]) < 1e-12);
  };
  const here = collapses(model.initial);
  const at = (angle, radius) => [model.initial[0] + radius * Math.cos(angle), model.initial[1] + radius * Math.sin(angle)];
  const other = (angle, radius) => collapses(at(angle, radius)) === !here;
  const reach = 2 * Math.max(...DATA.states.map(({ view }) => view[1] - view[0]), ...model.initial.map(Math.abs));
  const closest = (angle, low, high) => {
    for (let i = 0; i < 50; i++) {
      const middle = (low + high) / 2;
      if (other(angle, middle)) high = middle;
      else low = middle;
    }
    return high;
  };
  const radii = [...Array.from({ length: 24 }, (_, i) => reach * 1e-3 ** (1 - i / 24)), ...Array.from({ length: 24 }, (_, i) => (reach * (i + 1)) / 24)].sort((a, b) => a - b);
  let [best, angle] = [Infinity, 0];
  for (let i = 0; i < 360; i++) {
    const ray = 1e-4 + (i * Math.PI) / 180; // off the axes, on which the boundary may lie
    const nearer = [...radii.filter((radius) => radius < best), ...(best < Infinity ? [best * (1 - 1e-12)] : [])];
    const first = nearer.findIndex((radius) => other(ray, radius));
    if (first >= 0) [best, angle] = [closest(ray, first ? nearer[first - 1] : 0, nearer[first]), ray];
  }
  if (open) return "";
  if (best === Infinity) return here ? "it collapses, and so does every start around" : "no start around collapses";
  for (let spread = Math.PI / 180; spread > 1e-9; spread *= 0.5) {
    for (const ray of [-2, -1.5, -1, -0.5, 0.5, 1, 1.5, 2].map((share) => angle + share * spread)) {
      if (other(ray, best * (1 - 1e-12))) [best, angle] = [closest(ray, 0, best), ray];
    }
  }
  if (here) return `it collapses; the nearest start that lives is ${shortNumber(best)} away (by the exact rule)`;
  const there = at(angle, best).map((value, j) => `${DATA.states[j].label} = ${shortNumber(value)}`).join(", ");
  const on = [...model.initial];
  for (const j of held) on[j] = 0;
  const away = norm(held.map((j) => model.initial[j]));
  const line = collapses(on) ? `; ${held.map((j) => `${DATA.states[j].label} = 0`).join(", ")} itself is ${shortNumber(away)} away` : "";
  return `distance to collapse ${shortNumber(best)}, by a shock to ${there} (by the exact rule)${line}`;
}
