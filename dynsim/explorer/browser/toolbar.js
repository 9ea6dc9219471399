// Buttons under the picture: what is copied is shown as well, files are downloaded.

const BUTTONS = [
  ["code", "Copy as code"],
  ["command", "Copy as command"],
  ["link", "Copy state"],
  ["png", "Save PNG"],
  ["svg", "Save SVG"],
  ["clear", "Clear orbits"],
];

const SHOWN = 8000; // milliseconds after which a note goes by itself, unless it is being read

class Toolbar {
  constructor(parent, model) {
    this.model = model;
    this.bar = html("div", { class: "dynsim-toolbar", role: "toolbar", "aria-label": "reproduce and save" }, parent);
    for (const [what, label] of BUTTONS) {
      const button = html("button", { type: "button", "data-what": what }, this.bar, label);
      button.addEventListener("click", () => model.send({ type: what }));
    }
    this.told = html("div", { class: "dynsim-told", role: "status" }, parent);
    this.told.hidden = true;
    this.message = html("span", {}, this.told);
    const close = html("button", { type: "button", "aria-label": "close" }, this.told, "\u00d7");
    close.addEventListener("click", () => (this.told.hidden = true));
    this.told.addEventListener("keydown", (event) => {
      if (event.key === "Escape") this.told.hidden = true;
    });
    this.text = html("textarea", { readonly: "", rows: 3, "aria-label": "text to copy" }, this.told);
    const screen = html("button", { type: "button" }, this.bar, "Full screen");
    screen.addEventListener("click", () => (document.fullscreenElement ? document.exitFullscreen() : parent.closest(".dynsim-explorer")?.requestFullscreen()));
    model.on("msg:custom", (message, buffers) => this.receive(message, buffers));
  }

  async receive(message, buffers) {
    if (message.type === "text") await this.copy(message);
    if (message.type === "file") this.download(message, buffers[0]);
  }

  async copy({ text, what, note }) {
    this.text.hidden = false;
    this.text.value = what === "link" && document.body.dataset.voila ? `${location.origin}${location.pathname}?${text}` : text;
    this.text.rows = Math.min(8, this.text.value.split("\n").length + 1);
    this.tellForAWhile();
    try {
      await navigator.clipboard.writeText(this.text.value);
      this.message.textContent = `Copied:${note ?? ""}`;
    } catch {
      this.text.select();
      this.message.textContent = `Select and copy:${note ?? ""}`;
    }
  }

  download({ name, mime }, buffer) {
    const link = html("a", { download: name, href: URL.createObjectURL(new Blob([buffer], { type: mime })) });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
    this.text.hidden = true;
    this.message.textContent = `Saved ${name}`;
    this.tellForAWhile();
  }

  tellForAWhile() {
    this.told.hidden = false;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => (this.told.matches(":hover, :focus-within") ? this.tellForAWhile() : (this.told.hidden = true)), SHOWN);
  }
}
