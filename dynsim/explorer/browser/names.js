// Names for the sliders beside the picture: a screen reader otherwise hears "slider" and a number.

function nameSliders(root) {
  for (const slider of root.querySelectorAll(".widget-slider")) {
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
