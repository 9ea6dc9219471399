// A live page: controls, and pictures drawn by the same code as the explorer's, from numbers computed here.

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

function select(parent, label, names, chosen, changed) {
  const box = html("select", { "aria-label": label }, parent);
  for (const name of names) html("option", { value: name }, box, name || "\u2013");
  box.value = chosen;
  box.addEventListener("change", () => changed(box.value));
  return (value) => (box.value = value);
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
  const distance = html("p", { class: "dynsim-distance" }, words);
  const stage = html("div", { class: "dynsim-stage" }, view);
  let [frame, scene, serial, heard, waiting, settling] = [null, null, 0, 0, false, 0];

  const plane = new Plane(stage, {
    move([x, y, move]) {
      model.plane.map(indexOf).forEach((j, i) => (model.initial[j] = [x, y][i]));
      heard = move;
      update(DATA.states.length > 2);
    },
    add([x, y]) {
      const orbit = [...model.initial];
      model.plane.map(indexOf).forEach((j, i) => (orbit[j] = [x, y][i]));
      model.more = [...model.more, orbit].slice(-MOST_ORBITS);
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
    if (distance.textContent !== frame.distance) distance.textContent = frame.distance;
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
      }
      frame = { ...frame, distance: distanceToCollapse(model) };
      paint();
      root.dataset.settled = serial;
      hold(model.toHash());
    }, 120);
  }

  // What is chosen makes a step in the history, so that "back" undoes it; what is moved does not.
  let told = location.hash.slice(1);
  const chosen = (hash) => hash.split("&").filter((word) => /^(branch|time|compare|plane):/.test(word)).join("&");
  function hold(hash) {
    if (hash === told) return;
    try {
      history[step || chosen(hash) !== chosen(told) ? "pushState" : "replaceState"](null, "", hash ? `#${hash}` : location.pathname + location.search);
    } catch {
      // A page inside another one has no address of its own.
    }
    [told, step] = [hash, false];
  }

  // A choice that replaces everything is a step of its own.
  let step = false;
  function jump() {
    step = true;
    update();
  }

  const shown = [];
  const group = (title) => {
    const box = html("section", { "aria-label": title }, controls);
    html("h2", {}, box, title);
    return box;
  };
  if (DATA.presets.length) {
    const set = select(group("preset"), "preset", ["", ...DATA.presets.map((one) => one.name)], "", (name) => {
      const preset = DATA.presets.find((one) => one.name === name);
      if (preset) {
        model.open(preset);
        jump();
      }
    });
    shown.push(() => set(DATA.presets.find((one) => model.shows(one))?.name ?? ""));
  }
  if (DATA.branches.length > 1) {
    const labels = DATA.branches.map((name) => ({ stop: "stop-gradient", full: "full gradient", target: "target branch only" })[name] ?? name);
    const box = group("branch");
    const set = choices(box, "branch", DATA.branches, labels, model.branch, (value) => { model.branch = value; update(); });
    const label = html("label", { class: "compare" }, box);
    const compare = html("input", { type: "checkbox" }, label);
    label.append("all branches at once");
    compare.addEventListener("change", () => { model.compare = compare.checked; update(false); });
    shown.push(() => set(model.branch), () => (compare.checked = model.compare));
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
  if (DATA.states.length > 2) {
    const pairs = DATA.states.flatMap((a) => DATA.states.filter((b) => b !== a).map((b) => [`${b.label} over ${a.label}`, [a.name, b.name]]));
    const set = select(group("plane"), "plane", pairs.map(([label]) => label), "", (chosen) => { model.plane = pairs.find(([label]) => label === chosen)[1]; update(); });
    shown.push(() => set(pairs.find(([, names]) => names.join() === model.plane.join())[0]));
  }
  const timeBox = group("time");
  const horizon = { label: "t end", low: 1, high: 1000, step: 1, now: () => model.tEnd };
  const showHorizon = slider(timeBox, horizon, model.tEnd, (value) => { if (value > 0 && value < 1e6) { model.tEnd = value; update(); } });
  const setTime = choices(timeBox, "time axis", ["linear", "log"], ["linear", "logarithmic"], model.log ? "log" : "linear", (value) => { model.log = value === "log"; update(); });
  shown.push(() => showHorizon(model.tEnd), () => setTime(model.log ? "log" : "linear"));
  const buttons = html("div", { class: "dynsim-toolbar" }, controls);
  const button = (label, pressed) => html("button", { type: "button" }, buttons, label).addEventListener("click", pressed);
  button("Defaults", () => { Object.assign(model, new Model()); jump(); });
  button("Clear orbits", () => { model.more = []; update(false); });
  const whole = document.querySelector(".dynsim-page");
  if (document.fullscreenEnabled) button("Full screen", () => (document.fullscreenElement ? document.exitFullscreen() : whole.requestFullscreen()));
  const showControls = () => shown.forEach((show) => show());

  new ResizeObserver(() => frame && scene && paint()).observe(stage);
  for (const kind of ["hashchange", "popstate"]) {
    window.addEventListener(kind, () => {
      if (location.hash.slice(1) === told) return;
      told = location.hash.slice(1);
      model.fromHash(told);
      update();
    });
  }
  update();
}

// What a test asks: a run at given times, equilibria of a box, eigenvalues, contours.
globalThis.dynsimNumerics = { integrate, findEquilibria, eigenvalues, contours, erf, softplus, sigmoid, logcosh, logsumexp, FLOWS, DATA };
start();
