// Values of a plot by pointer and keyboard, and which time is shown. Without it the tables say the same.
const visible = (element) => element.getClientRects().length > 0;

/** Brings the plots below `root` to life; `chosen` is the time that was shown before they were drawn anew. */
export function readable(root, chosen = "") {
  const readout = root.querySelector(".readout");
  const read = (dot) => { readout.textContent = dot.getAttribute("aria-label"); readout.classList.add("read"); };
  const show = (id) => { for (const span of root.querySelectorAll(".span")) span.hidden = span.id !== id; };
  for (const radio of root.querySelectorAll("input[name=span]")) {
    if (radio.value === chosen) {
      radio.checked = true;
      show(chosen);
    }
    radio.addEventListener("change", () => show(radio.value));
  }
  for (const plot of root.querySelectorAll(".plot")) {
    const dots = [...plot.querySelectorAll(".dot[tabindex]")];
    dots.forEach((dot, place) => {
      dot.addEventListener("focus", () => read(dot));
      dot.addEventListener("pointerenter", () => read(dot));
      dot.addEventListener("keydown", (event) => {
        const step = { ArrowLeft: place - 1, ArrowRight: place + 1, Home: 0, End: dots.length - 1 }[event.key];
        if (step === undefined || !dots[step] || !visible(dots[step])) return;
        event.preventDefault();
        for (const one of dots) one.setAttribute("tabindex", one === dots[step] ? "0" : "-1");
        dots[step].focus();
      });
    });
  }
}
