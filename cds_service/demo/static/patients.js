// The filter of the list of patients. Without this script the list is simply complete.
const box = document.getElementById("filter");
const rows = [...document.querySelectorAll("#patients > li")];

function show() {
  const words = box.value.toLowerCase().split(/\s+/).filter(Boolean);
  const seen = rows.filter((row) => {
    const text = row.textContent.toLowerCase();
    row.hidden = !words.every((word) => text.includes(word));
    return !row.hidden;
  });
  document.getElementById("count").textContent = `${seen.length} patient${seen.length === 1 ? "" : "s"}`;
  document.getElementById("none").hidden = seen.length > 0;
}

box.addEventListener("input", show);
show(); // browsers keep what was typed when one comes back to the page
