// The page's own numerics: one adaptive integrator, equilibria, eigenvalues of small matrices, contours.
// Each is held to Python's by test. A field is {size, f(t, y, out), jacobian(t, y, out)}; out is filled, row by row.

// ---- integration: the fifth-order pair of Dormand and Prince (1980) ----

const DP_C = [0, 1 / 5, 3 / 10, 4 / 5, 8 / 9, 1, 1];
const DP_A = [
  [],
  [1 / 5],
  [3 / 40, 9 / 40],
  [44 / 45, -56 / 15, 32 / 9],
  [19372 / 6561, -25360 / 2187, 64448 / 6561, -212 / 729],
  [9017 / 3168, -355 / 33, 46732 / 5247, 49 / 176, -5103 / 18656],
  [35 / 384, 0, 500 / 1113, 125 / 192, -2187 / 6784, 11 / 84],
];
// Weights of the fifth order less those of the embedded fourth order.
const DP_E = [71 / 57600, 0, -71 / 16695, 71 / 1920, -17253 / 339200, 22 / 525, -1 / 40];

const MOST_STEPS = 200000;
const BOUND = 1e12; // beyond which a run counts as divergent

// States at increasing times; ends early, and says why, where the run diverges or takes too many steps.
function integrate(field, start, times, rtol = 1e-10, atol = 1e-13, mostSteps = MOST_STEPS) {
  const n = field.size;
  const k = Array.from({ length: 7 }, () => new Float64Array(n));
  let y = Float64Array.from(start);
  let [trial, next] = [new Float64Array(n), new Float64Array(n)];
  const states = [Float64Array.from(y)];
  let t = times[0];
  field.f(t, y, k[0]);
  let steps = 0;
  const result = (status) => ({ times: times.slice(0, states.length), states, status, time: t, steps, last: Float64Array.from(y) });
  if (!k[0].every(Number.isFinite)) return result("not-finite");
  let h = firstStep(field, t, y, k[0], rtol, atol, times[times.length - 1] - t);
  for (let i = 1; i < times.length; i++) {
    const end = times[i];
    while (t < end) {
      if (++steps > mostSteps) return result("step-limit");
      const last = t + h * (1 + 1e-12) >= end;
      const step = last ? end - t : h;
      for (let stage = 1; stage < 7; stage++) {
        const row = DP_A[stage];
        for (let j = 0; j < n; j++) {
          let sum = 0;
          for (let l = 0; l < stage; l++) sum += row[l] * k[l][j];
          trial[j] = y[j] + step * sum;
        }
        field.f(t + DP_C[stage] * step, trial, k[stage]);
        if (stage === 6) next.set(trial);
      }
      let error = 0;
      for (let j = 0; j < n; j++) {
        let sum = 0;
        for (let l = 0; l < 7; l++) sum += DP_E[l] * k[l][j];
        const scale = atol + rtol * Math.max(Math.abs(y[j]), Math.abs(next[j]));
        error += ((step * sum) / scale) ** 2;
      }
      error = Math.sqrt(error / n);
      if (!Number.isFinite(error)) {
        h = step / 5;
        if (h < 1e-14 * Math.max(1, Math.abs(t))) return result("blow-up");
        continue;
      }
      const factor = Math.min(5, Math.max(0.2, 0.9 * Math.max(error, 1e-10) ** -0.2));
      if (error > 1) {
        h = step * Math.min(1, factor);
        if (h < 1e-15 * Math.max(1, Math.abs(t))) return result("blow-up");
        continue;
      }
      t = last ? end : t + step;
      [y, next] = [next, y];
      [k[0], k[6]] = [k[6], k[0]]; // the last slope of a step is the first of the next
      if (!last || factor < 1) h = step * factor;
      if (!y.every((value) => Math.abs(value) < BOUND)) return result("blow-up");
    }
    states.push(Float64Array.from(y));
  }
  return result("ok");
}

function firstStep(field, t, y, slope, rtol, atol, span) {
  let [size, speed] = [0, 0];
  for (let j = 0; j < field.size; j++) {
    const scale = atol + rtol * Math.abs(y[j]);
    size += (y[j] / scale) ** 2;
    speed += (slope[j] / scale) ** 2;
  }
  const guess = speed > 1e-10 && size > 1e-10 ? 0.01 * Math.sqrt(size / speed) : 1e-6;
  return Math.min(guess, span || 1);
}

// The run until it rests: {status: "rest" | "moving" | "blow-up" | …, state, time}.
function integrateToRest(field, start, scale, horizon = 1e6, mostSteps = MOST_STEPS) {
  const slope = new Float64Array(field.size);
  let [state, time, span] = [Float64Array.from(start), 0, 10];
  while (time < horizon) {
    const run = integrate(field, state, [time, time + span], 1e-9, 1e-13, Math.min(20000, mostSteps));
    mostSteps -= run.steps;
    state = run.states[run.states.length - 1];
    time = run.time;
    if (run.status !== "ok") return { status: run.status === "step-limit" ? "moving" : run.status, state, time };
    field.f(time, state, slope);
    if (norm(slope) < 1e-9 * Math.max(scale, norm(state))) {
      const polished = newton(field, state, 0.1 * scale);
      const moved = polished ? norm(polished.map((value, j) => value - state[j])) : Infinity;
      return { status: "rest", state: moved < 0.01 * scale ? polished : state, time };
    }
    span = Math.min(2 * span, horizon - time || 1);
  }
  return { status: "moving", state, time };
}

function norm(vector) {
  return Math.hypot(...vector);
}

// ---- linear algebra of small matrices, as arrays of rows in one Float64Array ----

// Solve A x = b by elimination with row pivoting; null where A is singular to rounding.
function solveLinear(matrix, right) {
  const n = right.length;
  const a = Array.from({ length: n }, (_, i) => [...matrix.subarray(i * n, (i + 1) * n), right[i]]);
  const largest = Math.max(...matrix.map(Math.abs)) || 1;
  for (let i = 0; i < n; i++) {
    let pivot = i;
    for (let r = i + 1; r < n; r++) if (Math.abs(a[r][i]) > Math.abs(a[pivot][i])) pivot = r;
    if (!(Math.abs(a[pivot][i]) > 1e-14 * largest)) return null;
    [a[i], a[pivot]] = [a[pivot], a[i]];
    for (let r = i + 1; r < n; r++) {
      const factor = a[r][i] / a[i][i];
      for (let c = i; c <= n; c++) a[r][c] -= factor * a[i][c];
    }
  }
  const x = new Float64Array(n);
  for (let i = n - 1; i >= 0; i--) {
    let sum = a[i][n];
    for (let c = i + 1; c < n; c++) sum -= a[i][c] * x[c];
    x[i] = sum / a[i][i];
  }
  return x;
}

// Least-norm least-squares step for square, possibly singular A: (AᵀA + μI)x = Aᵀb, μ at rounding level.
function solveDamped(matrix, right, damping) {
  const n = right.length;
  const [square, projected] = [new Float64Array(n * n), new Float64Array(n)];
  for (let i = 0; i < n; i++) {
    for (let j = 0; j < n; j++) {
      for (let r = 0; r < n; r++) square[i * n + j] += matrix[r * n + i] * matrix[r * n + j];
    }
    for (let r = 0; r < n; r++) projected[i] += matrix[r * n + i] * right[r];
  }
  const trace = Array.from({ length: n }, (_, i) => square[i * n + i]).reduce((a, b) => a + b, 0) || 1;
  for (let i = 0; i < n; i++) square[i * n + i] += damping * trace;
  return solveLinear(square, projected);
}

// Eigenvalues of a real n × n matrix, n ≤ 4, as [re, im], by unsymmetric QR on the Hessenberg form.
function eigenvalues(matrix, n) {
  if (n === 1) return [[matrix[0], 0]];
  const a = Array.from({ length: n }, (_, i) => Array.from(matrix.subarray(i * n, (i + 1) * n)));
  toHessenberg(a, n);
  const found = [];
  let [high, tries] = [n - 1, 0];
  const scale = Math.max(...a.flat().map(Math.abs)) || 1;
  while (high >= 0) {
    let low = high;
    while (low > 0 && Math.abs(a[low][low - 1]) > 1e-15 * (Math.abs(a[low][low]) + Math.abs(a[low - 1][low - 1]) || scale)) low--;
    if (low === high) {
      found.push([a[high--][low], 0]);
      tries = 0;
    } else if (low === high - 1) {
      found.push(...pair(a[low][low], a[low][high], a[high][low], a[high][high]));
      high -= 2;
      tries = 0;
    } else if (++tries > 200) {
      return null;
    } else {
      francisStep(a, low, high, tries % 11 === 10);
    }
  }
  return found.sort((one, other) => one[0] - other[0] || one[1] - other[1]);
}

// Eigenvalues of a 2 × 2 matrix without cancellation.
function pair(a, b, c, d) {
  const [half, product] = [(a - d) / 2, b * c];
  const square = half * half + product;
  if (square < 0) return [[(a + d) / 2, -Math.sqrt(-square)], [(a + d) / 2, Math.sqrt(-square)]];
  const far = half + (half < 0 ? -1 : 1) * Math.sqrt(square);
  return far === 0 ? [[d, 0], [d, 0]] : [[d + far, 0], [d - product / far, 0]];
}

function toHessenberg(a, n) {
  for (let m = 1; m < n - 1; m++) {
    let pivot = m;
    for (let i = m; i < n; i++) if (Math.abs(a[i][m - 1]) > Math.abs(a[pivot][m - 1])) pivot = i;
    if (a[pivot][m - 1] === 0) continue;
    [a[m], a[pivot]] = [a[pivot], a[m]];
    for (const row of a) [row[m], row[pivot]] = [row[pivot], row[m]];
    for (let i = m + 1; i < n; i++) {
      const factor = a[i][m - 1] / a[m][m - 1];
      for (let j = 0; j < n; j++) a[i][j] -= factor * a[m][j];
      for (const row of a) row[m] += factor * row[i];
    }
  }
  for (let i = 2; i < n; i++) for (let j = 0; j < i - 1; j++) a[i][j] = 0;
}

// One implicit double-shift step on rows and columns low … high.
function francisStep(a, low, high, exceptional) {
  const [p, q, r, s] = [a[high - 1][high - 1], a[high - 1][high], a[high][high - 1], a[high][high]];
  let [sum, product] = [p + s, p * s - q * r];
  if (exceptional) {
    const kick = Math.abs(a[high][high - 1]) + Math.abs(a[high - 1][high - 2]);
    [sum, product] = [1.5 * kick, kick * kick];
  }
  let x = a[low][low] * (a[low][low] - sum) + a[low][low + 1] * a[low + 1][low] + product;
  let y = a[low + 1][low] * (a[low][low] + a[low + 1][low + 1] - sum);
  let z = low + 2 <= high ? a[low + 1][low] * a[low + 2][low + 1] : 0;
  for (let k = low; k < high; k++) {
    const three = k + 2 <= high;
    const vector = three ? [x, y, z] : [x, y];
    const length = Math.hypot(...vector);
    if (length > 0) {
      vector[0] += vector[0] < 0 ? -length : length;
      const square = vector.reduce((total, value) => total + value * value, 0);
      for (let j = 0; j < a.length; j++) {
        const dot = vector.reduce((total, value, i) => total + value * a[k + i][j], 0);
        vector.forEach((value, i) => (a[k + i][j] -= (2 * value * dot) / square));
      }
      for (const row of a) {
        const dot = vector.reduce((total, value, i) => total + value * row[k + i], 0);
        vector.forEach((value, i) => (row[k + i] -= (2 * value * dot) / square));
      }
    }
    if (k > low) for (let i = k + 1; i <= Math.min(k + 2, high); i++) a[i][k - 1] = 0;
    [x, y, z] = [a[k + 1][k], k + 2 <= high ? a[k + 2][k] : 0, k + 3 <= high ? a[k + 3][k] : 0];
  }
}

// ---- equilibria ----

// Newton's method from one start; damped where the Jacobian is singular, as on a line of equilibria.
function newton(field, start, reach) {
  const n = field.size;
  const [value, jacobian] = [new Float64Array(n), new Float64Array(n * n)];
  const y = Float64Array.from(start);
  for (let round = 0; round < 60; round++) {
    field.f(0, y, value);
    field.jacobian(0, y, jacobian);
    if (!value.every(Number.isFinite) || !jacobian.every(Number.isFinite)) return null;
    const step = solveLinear(jacobian, value) ?? solveDamped(jacobian, value, 1e-12);
    if (!step) return null;
    const length = norm(step);
    const shrink = length > reach ? reach / length : 1;
    for (let j = 0; j < n; j++) y[j] -= shrink * step[j];
    if (!y.every(Number.isFinite)) return null;
    if (length < 1e-13 * Math.max(1, norm(y))) break;
  }
  field.f(0, y, value);
  return norm(value) < 1e-9 * Math.max(1, norm(y)) ? y : null;
}

// Isolated equilibria inside a box, from a grid of starts: [{state, eigenvalues, kind}]. A search, not a proof.
function findEquilibria(field, box, count) {
  const n = field.size;
  const widths = box.map(([low, high]) => high - low);
  const reach = 0.25 * Math.max(...widths);
  const found = [];
  const index = new Array(n).fill(0);
  const usual = usualRate(field, box);
  for (;;) {
    const start = index.map((i, j) => box[j][0] + ((i + 0.5) / count) * widths[j]);
    const y = newton(field, start, reach);
    if (y && y.every((value, j) => value >= box[j][0] - 1e-9 && value <= box[j][1] + 1e-9)) {
      if (!found.some((other) => Math.hypot(...y.map((value, j) => (value - other.state[j]) / widths[j])) < 1e-5)) {
        const spectrum = spectrumAt(field, y);
        const size = Math.max(...spectrum.map(([re, im]) => Math.hypot(re, im)));
        const isolated = size > 1e-8 * usual && spectrum.every(([re, im]) => Math.hypot(re, im) > 1e-6 * size);
        if (isolated) found.push({ state: y, eigenvalues: spectrum, kind: kindOf(spectrum) });
      }
    }
    let j = 0;
    while (j < n && ++index[j] === count) index[j++] = 0;
    if (j === n) return found;
  }
}

// The size of a typical Jacobian in the box: what "zero" is measured against.
function usualRate(field, box) {
  const n = field.size;
  const jacobian = new Float64Array(n * n);
  let largest = 0;
  for (const share of [0.13, 0.29, 0.61, 0.83]) {
    field.jacobian(0, box.map(([low, high], j) => low + ((share + 0.37 * j) % 1) * (high - low)), jacobian);
    for (const value of jacobian) if (Number.isFinite(value)) largest = Math.max(largest, Math.abs(value));
  }
  return largest;
}

function spectrumAt(field, y) {
  const jacobian = new Float64Array(field.size ** 2);
  field.jacobian(0, y, jacobian);
  return eigenvalues(jacobian, field.size) ?? [[NaN, NaN]];
}

function kindOf(spectrum) {
  const largest = Math.max(...spectrum.map(([re, im]) => Math.hypot(re, im)));
  const real = spectrum.map(([re]) => re);
  const turns = spectrum.some(([, im]) => Math.abs(im) > 1e-9 * largest);
  if (real.some((re) => Math.abs(re) < 1e-9 * largest)) return turns && spectrum.length === 2 ? "centre" : "non-hyperbolic";
  if (real.every((re) => re < 0)) return turns ? "stable focus" : "stable node";
  if (real.every((re) => re > 0)) return turns ? "unstable focus" : "unstable node";
  return "saddle";
}

// The two sides of a saddle's stable (backward) or unstable manifold in the plane, until they leave the box or rest.
function manifoldOf(field, point, box, stable) {
  const [low, high] = point.eigenvalues.map(([re]) => re);
  const value = stable ? low : high;
  const jacobian = new Float64Array(4);
  field.jacobian(0, point.state, jacobian);
  const rows = [[jacobian[1], value - jacobian[0]], [value - jacobian[3], jacobian[2]]];
  const vector = Math.hypot(...rows[0]) > Math.hypot(...rows[1]) ? rows[0] : rows[1];
  const length = Math.hypot(...vector);
  const widths = box.map(([from, to]) => to - from);
  const offset = 1e-5 * Math.max(...widths);
  const sense = stable ? -1 : 1;
  const flow = { size: 2, f: (t, y, out) => { field.f(t, y, out); out[0] *= sense; out[1] *= sense; } };
  return [1, -1].map((side) => {
    const start = point.state.map((at, j) => at + (side * offset * vector[j]) / length);
    const times = Float64Array.from({ length: 400 }, (_, i) => (i * 30) / (399 * Math.abs(value)));
    const run = integrate(flow, start, times, 1e-8, 1e-12, 5000);
    const inside = run.states.findIndex((y) => y.some((at, j) => at < box[j][0] - widths[j] || at > box[j][1] + widths[j]));
    const kept = inside < 0 ? run.states : run.states.slice(0, inside);
    return { x: kept.map((y) => y[0]), y: kept.map((y) => y[1]), into: stable };
  });
}

// ---- contours: marching squares with linear interpolation, chained into polylines ----

// values[i][j] at (xs[i], ys[j]); returns [{x: […], y: […]}]. `refine(a, b)` may move a crossing between two corners.
function contours(xs, ys, values, refine = null) {
  const segments = [];
  const crossing = (i, j, k, l) => {
    const [from, to] = [values[i][j], values[k][l]];
    const key = i === k ? `v${i},${Math.min(j, l)}` : `h${Math.min(i, k)},${j}`;
    const share = refine ? refine([xs[i], ys[j]], [xs[k], ys[l]]) : from / (from - to);
    return { key, x: xs[i] + share * (xs[k] - xs[i]), y: ys[j] + share * (ys[l] - ys[j]) };
  };
  for (let i = 0; i + 1 < xs.length; i++) {
    for (let j = 0; j + 1 < ys.length; j++) {
      const corners = [[i, j], [i + 1, j], [i + 1, j + 1], [i, j + 1]];
      if (!corners.every(([a, b]) => Number.isFinite(values[a][b]))) continue;
      const cut = [];
      for (let side = 0; side < 4; side++) {
        const [[a, b], [c, d]] = [corners[side], corners[(side + 1) % 4]];
        if (values[a][b] > 0 !== values[c][d] > 0) cut.push(crossing(a, b, c, d));
      }
      for (let pairIndex = 0; pairIndex + 1 < cut.length; pairIndex += 2) segments.push([cut[pairIndex], cut[pairIndex + 1]]);
    }
  }
  return chained(segments);
}

function chained(segments) {
  const ends = new Map();
  segments.forEach((segment, index) => segment.forEach(({ key }) => ends.set(key, [...(ends.get(key) ?? []), index])));
  const used = new Set();
  const follow = (key) => {
    const points = [];
    for (;;) {
      const index = (ends.get(key) ?? []).find((candidate) => !used.has(candidate));
      if (index === undefined) return points;
      used.add(index);
      const [one, other] = segments[index];
      const point = one.key === key ? other : one;
      points.push(point);
      key = point.key;
    }
  };
  const lines = [];
  segments.forEach(([one, other], index) => {
    if (used.has(index)) return;
    used.add(index);
    const points = [...follow(one.key).reverse(), one, other, ...follow(other.key)];
    lines.push({ x: points.map((point) => point.x), y: points.map((point) => point.y) });
  });
  return lines;
}
