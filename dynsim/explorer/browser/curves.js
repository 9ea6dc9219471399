// The three panels over time: states, speed ratios, loss.

class CurvesPanel {
  constructor(parent, name, caption) {
    this.panel = new Panel(parent, name, { left: 44, right: 84, top: 7, bottom: 18 });
    this.panel.tell(caption);
  }

  // Time is named once, under the lowest panel.
  lowest(is) {
    this.panel.margins.bottom = is ? 34 : 18;
    this.title = is ? "flow time t" : "";
  }

  show(visible) {
    this.panel.box.hidden = !visible;
  }

  // curves: [{values, style, label, name}], y: {low, high, log}
  draw(time, curves, x, y) {
    const panel = this.panel;
    if (!panel.measure()) return;
    panel.scales(x, y);
    panel.titles(this.title, "");
    const first = x.log ? time.findIndex((t) => t >= x.low * 0.999) : 0;
    const times = time.subarray(Math.max(0, first));
    panel.each("curves", curves, "path", panel.layer, (node, curve) => {
      node.setAttribute("class", `curve ${curve.style}`);
      node.setAttribute("data-name", curve.name);
      node.setAttribute("d", pathOf(times, curve.values.subarray(Math.max(0, first)), panel.x, panel.y));
    });
    panel.endLabels(curves.filter((curve) => curve.label).map((curve) => ({ y: panel.y.of(lastFinite(curve.values)), text: curve.label, style: curve.style })));
  }

  // Thin lines across at given heights.
  levels(items) {
    const { left, right } = this.panel.inner ?? {};
    if (left === undefined) return;
    this.panel.each("levels", items, "line", this.panel.layer, (node, item) => {
      place(node, left, this.panel.y.of(item.value), right, this.panel.y.of(item.value));
      node.setAttribute("class", `level ${item.style}`);
    });
  }
}

function lastFinite(values) {
  for (let i = values.length - 1; i >= 0; i--) if (Number.isFinite(values[i])) return values[i];
  return NaN;
}

function extent(arrays, start = [Infinity, -Infinity]) {
  let [low, high] = start;
  for (const values of arrays) {
    for (const value of values) {
      if (value < low) low = value;
      if (value > high) high = value;
    }
  }
  return [low, high];
}

class TimePanels {
  constructor(parent) {
    this.states = new CurvesPanel(parent, "states", "");
    this.speeds = new CurvesPanel(parent, "speeds", "");
    this.loss = new CurvesPanel(parent, "loss", "");
  }

  draw(frame, scene) {
    const time = frame.time;
    const x = scene.time === "log" ? { low: scene.t_end * 1e-4, high: scene.t_end, log: true } : { low: 0, high: scene.t_end };
    this.loss.show(Boolean(frame.loss));
    this.speeds.show(frame.ratios.length > 0);
    const shown = [this.states, this.speeds, this.loss].filter((panel) => !panel.panel.box.hidden);
    for (const panel of shown) panel.lowest(panel === shown[shown.length - 1]);
    for (const panel of shown) panel.panel.margins.right = frame.branches.length ? 104 : 84;
    this.drawStates(frame, scene, time, x);
    this.drawSpeeds(frame, scene, time, x);
    this.drawLoss(frame, time, x);
  }

  drawStates(frame, scene, time, x) {
    const limits = Object.entries(frame.limit);
    const bound = 1e3; // a diverging run must not flatten the rest
    let [low, high] = extent([...frame.states.map((state) => state.values), limits.map(([, value]) => value)], [0, 0.2]);
    [low, high] = roundDomain(Math.max(low, -bound), Math.min(high, bound), 5);
    let curves = scene.states.map((state, index) => {
      const values = frame.states[index].values;
      return { values, style: state.style, name: state.name, label: `${state.label} ${shortNumber(values[values.length - 1])}` };
    });
    this.states.panel.tell(scene.states.map((state) => `${state.label}(t)`).join(", ") + (limits.length ? "; dotted: the limit" : ""));
    if (frame.branches.length) {
      limits.length = 0;
      this.states.panel.tell(`${scene.compared}(t) in every branch, from one start`);
      curves = frame.branches.map((one) => ({ values: one.encoder, style: `branch-${one.branch}`, name: one.branch, label: `${one.branch} ${shortNumber(Number(lastFinite(one.encoder).toPrecision(3)))}` }));
      [low, high] = extent(curves.map((curve) => curve.values), [0, 0.2]);
      [low, high] = roundDomain(Math.max(low, -bound), Math.min(high, bound), 5);
    }
    this.states.draw(time, curves, x, { low, high });
    this.states.levels(limits.map(([name, value]) => ({ value, style: scene.states.find((state) => state.name === name).style })));
    this.states.panel.svg.setAttribute("aria-label", `States over time. ${frame.sentence}`);
  }

  drawSpeeds(frame, scene, time, x) {
    const curves = frame.ratios.map((ratio) => ({ ...ratio, style: ratio.name.startsWith("relative") ? "ink" : "ink thin", label: ratio.name.split("_")[0] }));
    if (!curves.length) return;
    this.speeds.panel.tell(`speed of ${scene.fast} over ${scene.slow}` + (scene.halves ? `; ${scene.halves}` : ""));
    const shown = curves.map((curve) => curve.values.filter((value) => value > 0 && value < Infinity));
    let [low, high] = extent(shown, [0.5, 2]);
    low = 10 ** Math.max(-4, Math.floor(Math.log10(low)));
    high = 10 ** Math.min(4, Math.ceil(Math.log10(high)));
    this.speeds.draw(time, curves, x, { low, high, log: true });
    this.speeds.levels([{ value: 1, style: "ink" }]);
    this.speeds.panel.svg.setAttribute("aria-label", `Time scales: speed ratios of ${scene.fast} over ${scene.slow}. ${scene.halves}`);
  }

  drawLoss(frame, time, x) {
    if (!frame.loss) return;
    this.loss.panel.tell(frame.rises ? "loss: it rises on the way" : "loss");
    let curves = [{ values: frame.loss, style: "ink", name: "loss", label: "" }];
    const compared = frame.branches.filter((one) => one.loss);
    if (compared.length) {
      curves = compared.map((one) => ({ values: one.loss, style: `branch-${one.branch}`, name: `loss-${one.branch}`, label: one.branch }));
      this.loss.panel.tell("loss in every branch");
    }
    const [lowest, highest] = extent(curves.map((curve) => curve.values));
    const log = x.log && lowest > 0; // on a linear axis one sees it rise
    let domain = roundDomain(Math.min(lowest, 0), Math.max(highest, 1e-12), 3);
    if (log) domain = [10 ** Math.floor(Math.log10(Math.max(lowest, highest * 1e-6))), 10 ** Math.ceil(Math.log10(highest) + 1e-9)];
    this.loss.draw(time, curves, x, { low: domain[0], high: domain[1], log });
    this.loss.panel.svg.setAttribute("aria-label", `Loss over time, from ${shortNumber(frame.loss[0])} to ${shortNumber(frame.loss[frame.loss.length - 1])}`);
  }
}
