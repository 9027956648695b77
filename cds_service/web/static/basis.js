// Old links to a rule or a number on one long page (/basis#PV-MILD) lead to the page of that rule or number.
const places = { lines: "basis/words#lines", suggestions: "basis/words#suggestions", sources: "basis/sources", numbers: "basis/numbers" };

function follow() {
  const name = decodeURIComponent(location.hash.slice(1));
  const rule = name && document.getElementById(name)?.matches(".rules li") && document.getElementById(name).querySelector("a");
  if (rule) location.replace(rule.href);
  else if (name.startsWith("number-")) location.replace(`basis/numbers#${name}`);
  else if (Object.hasOwn(places, name)) location.replace(places[name]);
}

addEventListener("hashchange", follow);
follow();
