// The panel that shows what went over the wire.
import { el } from "./dom.js";

const MOST = 40;
const SHORT = 400; // characters of JSON that need no folding

/** Adds one exchange that begins on top of `list`; call what comes back when it has ended. */
export function showExchange(list, exchange) {
  const path = new URL(exchange.url, location.href).pathname;
  const head = [el("b", { textContent: exchange.kind }), el("span", { textContent: `${exchange.method} ${path}` })];
  const waiting = el("p", { className: "waiting" }, ...head, el("span", { className: "quiet", textContent: `waiting … ${exchange.note}` }));
  const row = el("li", {}, waiting);
  list.prepend(row);
  while (list.children.length > MOST) list.lastElementChild.remove();
  return () => {
    const details = el("details", {}, el("summary", {}, ...head, ...outcome(exchange)));
    details.addEventListener("toggle", () => fill(details, exchange), { once: true });
    row.replaceChildren(details);
  };
}

function outcome({ ok, status, response, milliseconds, note }) {
  const cards = response?.cards;
  return [
    el("span", { className: ok ? "ok" : "bad", textContent: `${status || "no answer"}` }),
    Array.isArray(cards) ? el("span", { textContent: cards.length === 1 ? "1 card" : `${cards.length || "no"} cards` }) : null,
    el("span", { textContent: `${milliseconds} ms` }),
    el("span", { className: "quiet", textContent: note }),
  ].filter(Boolean);
}

function fill(details, { request, response, problem }) {
  details.append(...sources(response), el(
    "div", { className: "both" },
    request ? half("Request", request) : null,
    half("Response", response ?? problem),
  ));
}

function half(title, value) {
  const box = el("div", { className: "json", tabIndex: 0, role: "group", "aria-label": title }, tree(value, 0));
  const copy = el("button", { type: "button", className: "small", textContent: "Copy", "aria-label": `Copy ${title.toLowerCase()}` });
  copy.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(JSON.stringify(value, null, 2));
      copy.textContent = "Copied";
    } catch {
      copy.textContent = "The browser does not allow it";
    }
  });
  return el("div", {}, el("div", { className: "half" }, el("h3", { textContent: title }), copy), box);
}

/** Where each piece of data came from, as services that explain themselves say in an extension of the answer. */
function sources(response) {
  return Object.values(response?.extension ?? {}).flatMap((explained) => {
    if (!explained?.sources) return [];
    const words = Object.entries(explained.sources).map(([key, state]) => `${key}: ${state}`);
    return [el("p", { className: "sources", textContent: `Data: ${words.join(" · ")}` })];
  });
}

/** JSON as text that folds; the inside of a fold is made when it is opened first. */
function tree(value, depth, name) {
  const label = name === undefined ? [] : [el("span", { className: "name", textContent: `${name}: ` })];
  if (value === null || typeof value !== "object" || !Object.keys(value).length) {
    return el("div", {}, ...label, JSON.stringify(value));
  }
  const keys = Object.keys(value);
  const size = Array.isArray(value) ? `[ ${keys.length} ]` : `{ ${keys.slice(0, 4).join(", ")}${keys.length > 4 ? ", …" : ""} }`;
  const fold = el("details", {}, el("summary", {}, ...label, size));
  const open = () => fold.append(el("ul", {}, ...keys.map((key) => el("li", {}, tree(value[key], depth + 1, key)))));
  if (depth === 0 || JSON.stringify(value).length < SHORT) {
    fold.open = true;
    open();
  } else {
    fold.addEventListener("toggle", open, { once: true });
  }
  return fold;
}
