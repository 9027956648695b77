// The SMART app: which time is shown, and the values by pointer and keyboard. Without it the tables say the same.
history.replaceState(null, "", location.pathname); // the code of the launch is used up

const readout = document.querySelector(".readout");
const visible = (element) => element.getClientRects().length > 0;
const read = (dot) => { readout.textContent = dot.getAttribute("aria-label"); };

for (const radio of document.querySelectorAll("input[name=span]")) {
  radio.addEventListener("change", () => {
    for (const span of document.querySelectorAll(".span")) span.hidden = span.id !== radio.value;
  });
}

for (const plot of document.querySelectorAll(".plot")) {
  const dots = [...plot.querySelectorAll(".dot[tabindex]")];
  const reach = (dot) => {
    for (const one of dots) one.setAttribute("tabindex", one === dot ? "0" : "-1");
    dot.focus();
  };
  dots.forEach((dot, place) => {
    dot.addEventListener("focus", () => read(dot));
    dot.addEventListener("pointerenter", () => read(dot));
    dot.addEventListener("keydown", (event) => {
      const step = { ArrowLeft: place - 1, ArrowRight: place + 1, Home: 0, End: dots.length - 1 }[event.key];
      if (step === undefined || !dots[step] || !visible(dots[step])) return;
      event.preventDefault();
      reach(dots[step]);
    });
  });
}
