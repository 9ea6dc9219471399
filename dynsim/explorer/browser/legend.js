// What the lines and marks of the plane mean; only what is to be seen is explained.

class Legend {
  constructor(parent) {
    this.box = html("div", { class: "dynsim-legend" }, parent);
    this.told = "";
  }

  show(scene, branches) {
    const runs = branches.map((one) => ["line", `curve branch-${one.branch}`, one.branch]);
    const items = [...runs, ...(scene.line ? [] : Legend.items(scene))];
    const told = JSON.stringify(items);
    if (told === this.told) return;
    this.told = told;
    this.box.replaceChildren();
    for (const [kind, style, label] of items) {
      const item = html("span", {}, this.box);
      const sample = svg("svg", { width: kind === "line" ? 22 : 12, height: 10, "aria-hidden": "true" }, item);
      if (kind === "line") svg("path", { class: style, d: "M1,5L21,5" }, sample);
      else svg("circle", { class: style, r: 4, cx: 6, cy: 5 }, sample);
      item.append(label);
    }
  }

  static items(scene) {
    const items = [];
    for (const line of scene.nullclines) items.push(["line", `nullcline ${line.style}`, `${line.label}\u2032 = 0`]);
    for (const line of scene.lines) {
      items.push(["line", `equilibria ${line.attracts ? "stable" : "unstable"}`, line.attracts ? "attracting equilibria" : "repelling"]);
    }
    for (const point of scene.points) items.push(["mark", `equilibrium ${markOf(point.kind)}`, point.kind]);
    if (scene.separatrices.some((line) => line.into)) items.push(["line", "separatrix", "separatrix"]);
    if (scene.separatrices.some((line) => !line.into)) items.push(["line", "separatrix out", "outgoing"]);
    return [...new Map(items.map((item) => [item.join(), item])).values()];
  }
}
