// The live view: it draws what the kernel sends, and tells the kernel where the start was moved.

function readFrame(raw) {
  return {
    ...raw,
    time: numbersOf(raw.time),
    states: raw.states.map((state) => ({ ...state, values: numbersOf(state.values) })),
    ratios: raw.ratios.map((ratio) => ({ ...ratio, values: numbersOf(ratio.values) })),
    loss: numbersOf(raw.loss),
    branches: raw.branches.map((one) => ({ ...one, encoder: numbersOf(one.encoder), loss: numbersOf(one.loss), orbit: one.orbit.map(numbersOf) })),
    orbits: raw.orbits.map((orbit) => orbit.map(numbersOf)),
  };
}

function readScene(raw) {
  const flat = numbersOf(raw.arrows) ?? [];
  const arrows = [];
  for (let i = 0; i + 3 < flat.length; i += 4) arrows.push([flat[i], flat[i + 1], flat[i + 2], flat[i + 3]]);
  const line = (item) => ({ ...item, x: numbersOf(item.x), y: numbersOf(item.y) });
  return { ...raw, arrows, nullclines: raw.nullclines.map(line), lines: raw.lines.map(line), separatrices: raw.separatrices.map(line) };
}

function render({ model, el }) {
  const root = html("div", { class: "dynsim-view", "data-serial": 0 }, el);
  const words = html("div", { class: "dynsim-words", "aria-live": "polite" }, root);
  const sentence = html("p", { class: "dynsim-sentence" }, words);
  const reason = html("p", { class: "dynsim-reason" }, words);
  const distance = html("p", { class: "dynsim-distance" }, words);
  const stage = html("div", { class: "dynsim-stage" }, root);
  const plane = new Plane(stage, {
    move(at) {
      model.set("dragged", at);
      model.save_changes(); // while one is on its way the last one waits: nothing piles up
    },
    add: (at) => model.send({ type: "add", at }),
  });
  const panels = new TimePanels(html("div", { class: "dynsim-curves" }, stage));
  new Toolbar(root, model);

  let [frame, scene] = [null, null];
  const draw = () => {
    if (!frame || !scene || frame.subject !== scene.subject) return; // the other half of the message follows
    plane.draw(frame, scene);
    panels.draw(frame, scene);
    if (sentence.textContent !== frame.sentence) sentence.textContent = frame.sentence;
    if (reason.textContent !== frame.reason) reason.textContent = reason.title = frame.reason;
    if (distance.textContent !== frame.distance) distance.textContent = distance.title = frame.distance;
    words.className = `dynsim-words ${{ true: "collapsed", false: "alive" }[frame.collapsed] ?? ""} ${frame.settled ? "" : "unsettled"}`;
    for (const key of ["serial", "start", "parameters", "branch"]) root.setAttribute(`data-${key}`, frame[key]);
    root.setAttribute("data-settled", frame.settled && scene.settled);
    root.setAttribute("data-last", frame.states.map((state) => state.values[state.values.length - 1]).join(","));
  };
  const onFrame = () => draw((frame = readFrame(model.get("frame"))));
  const onScene = () => draw((scene = readScene(model.get("scene"))));
  model.on("change:frame", onFrame);
  model.on("change:scene", onScene);
  const resized = new ResizeObserver(() => draw());
  for (const part of [stage, ...stage.querySelectorAll("svg[role]")]) resized.observe(part);
  const unwatch = watchSliders(el);
  const unheld = holdInAddress(model);
  if (model.get("scene").axes) onScene();
  if (model.get("frame").time) onFrame();
  return () => {
    resized.disconnect();
    unwatch();
    unheld();
    model.off("change:frame", onFrame);
    model.off("change:scene", onScene);
  };
}

// As a page of its own the explorer writes what it shows into the address: reload and back give it again.
function holdInAddress(model) {
  if (!document.body.dataset.voila) return () => {};
  let [timer, told] = [0, null];
  const look = new URLSearchParams(location.search).get("theme");
  const address = (text) => `?${text}${look ? `&theme=${encodeURIComponent(look)}` : ""}`;
  // What is chosen makes a step in the history, what is moved does not.
  const chosen = (text) => text.split("&").filter((part) => /^(show|states|branch|variant|compare|time|plane)=/.test(part)).join("&");
  const tell = () => {
    const { text } = model.get("frame");
    if (!text || text === told) return;
    if (told === null || chosen(text) === chosen(told)) history.replaceState(text, "", address(text));
    else history.pushState(text, "", address(text));
    told = text;
  };
  const onFrame = () => {
    clearTimeout(timer);
    // What was shown first is held at once: a click that comes soon after must not take its place in the history.
    if (told === null) tell();
    timer = setTimeout(tell, 400);
  };
  const onBack = (event) => {
    if (!event.state) return;
    told = event.state;
    model.send({ type: "restore", text: event.state });
  };
  model.on("change:frame", onFrame);
  addEventListener("popstate", onBack);
  onFrame();
  return () => {
    clearTimeout(timer);
    model.off("change:frame", onFrame);
    removeEventListener("popstate", onBack);
  };
}

export default { render };
