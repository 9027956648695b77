// Cards as a careful EHR shows them: level by color, word and icon; nothing of a card is taken for HTML.
import { el, leaving, markdown } from "./dom.js";

const FEW_LINES = 120; // pixels that are not worth a button
const SVG = "http://www.w3.org/2000/svg";
const LEVELS = {
  info: ["Information", "M12 11v6M12 7v.5M12 3a9 9 0 1 1 0 18a9 9 0 1 1 0-18"],
  warning: ["Warning", "M12 4l9 16H3zM12 10v5M12 17.5v.5"],
  critical: ["Critical", "M8 3h8l5 5v8l-5 5H8l-5-5V8zM12 7v6M12 16.5v.5"],
};

/** The Markdown details of cards, rendered by the EHR's server (HTML off); plain text if it does not answer. */
export async function details(cards) {
  const texts = cards.map((card) => (typeof card.detail === "string" ? card.detail : ""));
  try {
    const answer = await fetch("/demo/markdown", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ texts }),
    });
    return (await answer.json()).html.map(markdown);
  } catch {
    return texts.map((text) => text);
  }
}

/** One card. `take(suggestion)` changes orders; `tell(item)` sends feedback and answers with the exchange. */
export function cardElement(card, detail, { take, tell }) {
  const level = LEVELS[card.indicator] ? card.indicator : "info";
  const title = el("h4", { id: `card-${card.uuid}`, textContent: card.summary, title: card.summary, tabIndex: -1 });
  const article = el("article", { className: `card ${level}`, "aria-labelledby": title.id });
  const receipts = el("ul", { className: "receipts", "aria-live": "polite" });
  const send = async (words, item) => receipt(receipts, words, await tell({ card: card.uuid, ...item }));
  const close = (words) => {
    article.classList.add("closed");
    title.focus(); // what was pressed is hidden now
    return words;
  };
  const body = el("div", { className: "detail" }, detail);
  article.append(
    el("p", { className: "kind" }, icon(LEVELS[level][1]), LEVELS[level][0]),
    title, body, more(body), source(card),
    suggestions(card, { take, send }), answer(card, { send, close }), receipts,
  );
  if (level !== "critical") requestAnimationFrame(() => fold(article, body)); // nothing critical is hidden
  return article;
}

/** A call that failed is shown as a failure: an EHR must not take it for "nothing to say". */
export function failureElement(exchange) {
  const reasons = exchange.response?.issue?.map((issue) => issue.details?.text ?? issue.diagnostics).filter(Boolean) ?? [];
  return el(
    "article", { className: "card failure" },
    el("p", { className: "kind" }, icon(LEVELS.critical[1]), "Not checked"),
    el("h4", { textContent: `The service could not check this patient (${exchange.status || "no answer"})` }),
    el("p", { textContent: reasons.join(" ") || exchange.problem || "No reason was given." }),
    el("p", { className: "quiet", textContent: "This is no all-clear. The exchange below has the whole answer." }),
  );
}

function icon(path) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("aria-hidden", "true");
  const line = document.createElementNS(SVG, "path");
  line.setAttribute("d", path);
  svg.append(line);
  return svg;
}

function more(body) {
  const button = el("button", { type: "button", className: "more", textContent: "Show all", hidden: true, "aria-expanded": "false" });
  button.addEventListener("click", () => {
    const short = body.classList.toggle("short");
    button.textContent = short ? "Show all" : "Show less";
    button.setAttribute("aria-expanded", String(!short));
  });
  return button;
}

function fold(article, body) {
  const button = article.querySelector(".more");
  body.classList.add("short");
  button.hidden = body.scrollHeight <= body.clientHeight + FEW_LINES;
  if (button.hidden) body.classList.remove("short");
  // A link that is reached by keyboard must be seen.
  body.addEventListener("focusin", () => body.classList.contains("short") && button.click());
}

function source(card) {
  const label = card.source?.label ?? "Unknown source";
  const line = el("p", { className: "source" }, "Source: ");
  line.append(card.source?.url ? leaving(el("a", { textContent: label }), card.source.url) : label, " ");
  for (const link of card.links ?? []) line.append(leaving(el("a", { textContent: link.label }), link.url), " ");
  return line;
}

function suggestions(card, { take, send }) {
  const buttons = [];
  const rows = (card.suggestions ?? []).map((suggestion) => {
    const button = el("button", { type: "button" }, suggestion.label);
    if (suggestion.isRecommended) button.append(el("span", { className: "chip", textContent: "recommended" }));
    buttons.push(button);
    button.addEventListener("click", () => {
      if (button.getAttribute("aria-disabled") === "true") return;
      // Not `disabled`: that would throw the keyboard's focus away.
      const done = card.selectionBehavior === "at-most-one" ? buttons : [button];
      for (const one of done) one.setAttribute("aria-disabled", "true");
      button.append(el("span", { className: "chip", textContent: "✓ done" }));
      take(suggestion);
      send(`Accepted: ${suggestion.label}`, { outcome: "accepted", acceptedSuggestions: [{ id: suggestion.uuid }] });
    });
    return el("li", {}, button);
  });
  return rows.length ? el("ul", { className: "suggestions", "aria-label": "Suggestions" }, ...rows) : null;
}

function answer(card, { send, close }) {
  const reasons = card.overrideReasons ?? [];
  const menu = el("select", {}, el("option", { value: "", textContent: "Choose a reason …" }),
    ...reasons.map((reason, n) => el("option", { value: `${n}`, textContent: reason.display })));
  const comment = el("input", { maxLength: 2000, autocomplete: "off" });
  const override = el("button", { type: "button", textContent: "Override" });
  const dismiss = el("button", { type: "button", textContent: "Dismiss" });
  override.addEventListener("click", () => {
    const reason = reasons[Number(menu.value)];
    if (menu.value === "" || !reason) {
      menu.focus();
      return;
    }
    const override = { reason: { code: reason.code, system: reason.system } };
    if (comment.value.trim()) override.userComment = comment.value.trim();
    send(close(`Overridden: ${reason.display}`), { outcome: "overridden", overrideReason: override });
  });
  dismiss.addEventListener("click", () => send(close("Dismissed"), { outcome: "overridden" }));
  const choose = reasons.length
    ? [el("label", {}, "Reason not to follow it", menu), el("label", {}, "Comment (optional)", comment)]
    : [];
  return el("div", { className: "answer" }, ...choose, el("div", { className: "buttons" }, reasons.length ? override : null, dismiss));
}

function receipt(list, words, exchange) {
  const stored = exchange.ok ? `feedback stored (${exchange.status}, ${exchange.milliseconds} ms)` : `feedback NOT stored (${exchange.status || "no answer"})`;
  list.append(el("li", { className: exchange.ok ? "ok" : "bad", textContent: `${exchange.ok ? "✓" : "✗"} ${words}: ${stored}` }));
}
