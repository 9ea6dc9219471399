// Names for the sliders beside the picture: a screen reader otherwise hears "slider" and a number.
// And their numbers without the noise of binary fractions: a slider told 0.24 would report 0.24000000000000002 as a
// move of the user's, which may come after the next move of a drag and undo it.

function cleanSlider(slider) {
  const format = slider?.options.format;
  if (!format || format.clean) return;
  slider.updateOptions({ format: { ...format, to: (value) => Number(Number(format.to(value)).toPrecision(12)), clean: true } }, false);
}

function nameSliders(root) {
  for (const slider of root.querySelectorAll(".widget-slider")) {
    cleanSlider(slider.querySelector(".slider")?.noUiSlider);
    const label = slider.querySelector("label, .widget-label")?.textContent.trim();
    if (!label) continue;
    const told = slider.querySelector(".widget-readout")?.textContent;
    const handle = slider.querySelector(".noUi-handle");
    if (told && handle?.getAttribute("aria-valuetext") !== told) handle?.setAttribute("aria-valuetext", told);
    for (const part of slider.querySelectorAll(".noUi-handle, .widget-readout")) {
      if (part.getAttribute("aria-label") !== label) part.setAttribute("aria-label", label);
      if (part.classList.contains("widget-readout")) part.setAttribute("role", "textbox");
    }
  }
}

function watchSliders(element) {
  let watcher = null;
  const begin = () => {
    const root = element.closest(".dynsim-explorer")?.querySelector(".dynsim-controls");
    if (!root) return requestAnimationFrame(begin); // not yet on the page
    nameSliders(root);
    watcher = new MutationObserver(() => nameSliders(root));
    watcher.observe(root, { childList: true, subtree: true, characterData: true });
  };
  begin();
  return () => watcher?.disconnect();
}
