// The panel that shows what went over the wire.
import { el } from "./dom.js";

const MOST = 40;

/** Adds one exchange on top of `list`. */
export function showExchange(list, exchange) {
  const path = new URL(exchange.url, location.href).pathname;
  const status = exchange.status || "no answer";
  const summary = el(
    "summary", {},
    el("b", { textContent: exchange.kind }),
    el("span", { textContent: `${exchange.method} ${path}` }),
    el("span", { className: exchange.ok ? "ok" : "bad", textContent: `${status}` }),
    el("span", { textContent: `${exchange.milliseconds} ms` }),
    el("span", { className: "quiet", textContent: exchange.note }),
  );
  const details = el("details", {}, summary);
  details.addEventListener("toggle", () => fill(details, exchange), { once: true });
  list.prepend(el("li", {}, details));
  while (list.children.length > MOST) list.lastElementChild.remove();
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
  return el("div", {}, el("h3", { textContent: title }), box);
}

/** Where each piece of data came from, as services that explain themselves say in an extension of the answer. */
function sources(response) {
  return Object.values(response?.extension ?? {}).flatMap((told) => {
    if (!told?.sources) return [];
    const words = Object.entries(told.sources).map(([key, state]) => `${key}: ${state}`);
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
  if (depth === 0) {
    fold.open = true;
    open();
  } else {
    fold.addEventListener("toggle", open, { once: true });
  }
  return fold;
}
