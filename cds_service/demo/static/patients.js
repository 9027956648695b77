// The filter of the list of patients. Without this script the list is simply complete.
const box = document.getElementById("filter");
const groups = [...document.querySelectorAll("#patients .group")];

function show() {
  const words = box.value.toLowerCase().split(/\s+/).filter(Boolean);
  let seen = 0;
  let all = 0;
  for (const group of groups) {
    const rows = [...group.querySelectorAll("li[data-words]")];
    const found = rows.filter((row) => {
      const text = `${row.textContent} ${row.dataset.words}`.toLowerCase();
      row.hidden = !words.every((word) => text.includes(word));
      return !row.hidden;
    });
    group.hidden = found.length === 0;
    group.querySelector(".count").textContent = found.length < rows.length ? `${found.length} of ${rows.length}` : `${rows.length}`;
    seen += found.length;
    all += rows.length;
  }
  const patients = all === 1 ? "patient" : "patients";
  document.getElementById("count").textContent = seen < all ? `${seen} of ${all} ${patients}` : `${all} ${patients}`;
  document.getElementById("none").hidden = seen > 0;
}

// What was typed is in the address, so that Back and a link bring it; behind the "#" no server sees it.
box.addEventListener("input", () => {
  history.replaceState(null, "", box.value ? `#${encodeURIComponent(box.value)}` : location.pathname);
  show();
});

function comeBack() {
  try {
    box.value = decodeURIComponent(location.hash.slice(1));
  } catch {
    box.value = ""; // somebody cut the address within a letter
  }
  show();
}

window.addEventListener("hashchange", comeBack);
window.addEventListener("pageshow", comeBack);
