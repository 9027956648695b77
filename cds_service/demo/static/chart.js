// The chart page: opens a patient, calls the hooks, shows cards. It plays an EHR and speaks CDS Hooks and FHIR only.
import { cardElement, details, failureElement } from "./cards.js";
import { Client, prefetched } from "./client.js";
import { el, rendered } from "./dom.js";
import { showExchange } from "./exchange.js";
import { placeIn } from "./json.js";
import { Orders, orderName } from "./orders.js";
import { fromAddress, isCase, resourcesOf, rowValues, toAddress, valueRow } from "./own.js";
import { signer } from "./token.js";
import { readable } from "/static/plot.js";
import { everything, localReader, serverReader } from "./record.js";

const $ = (id) => document.getElementById(id);
const page = $("ehr").dataset;
const FHIR = `${location.origin}/demo/fhir`;
const titles = { "patient-view": "on opening the chart", "order-select": "for the order", "order-sign": "for all orders, before they are signed", "encounter-discharge": "before discharge" };
const busy = { "patient-view": "Opening the chart …", "order-select": "Checking the order …", "order-sign": "Checking all orders …", "encounter-discharge": "Checking the stay …" };
const fromServer = serverReader(FHIR);
const client = new Client(`${location.origin}/cds-services`, (exchange) => showExchange($("exchange"), exchange), authorization);
const orders = new Orders($("drafts"), () => { redraw(); remember(); unsigned(); prune(); });

let who = { patientId: page.patient, encounterId: page.encounter };
let own = null; // resources of an own case; null: the story
let kept = {}; // that case as the address has it
let selected = null; // reference of the order that was picked last
let acting = false; // a suggestion of a card changes the orders now
const rounds = {}; // the newest call of each place for cards: an older answer that comes late is dropped

const shownAs = () => $("as").value;
const mode = () => document.querySelector("input[name=mode]:checked").value;
const caller = () => document.querySelector("input[name=caller]:checked").value;
$("to-chart").addEventListener("click", () => { $("sodium").scrollIntoView(); }); // the hash of the address is taken
const later = (words) => { $("status").textContent = words; };

/** The token of a call to this address, if the page is to send one. */
const signing = signer().catch(() => null);
async function authorization(url) {
  if (caller() === "nobody") return null;
  return (await signing)(caller(), url, shownAs());
}

signing.then((sign) => {
  for (const radio of document.querySelectorAll("input[name=caller]")) radio.disabled = !sign && radio.value !== "nobody";
  $("caller-note").hidden = Boolean(sign);
});

/** Calls a hook and shows its cards; those of a draft order are in a place of their own. */
async function callHook(hook, extra = {}, { draft = "", title = titles[hook] } = {}) {
  const key = draft || hook;
  const round = (rounds[key] = (rounds[key] ?? 0) + 1);
  const place = draft ? placeOf(draft) : section(hook);
  place.setAttribute("aria-busy", "true");
  place.inert = true; // a card about to be replaced takes no answer, which would be lost with it
  later(busy[hook]);
  const context = { userId: page.user, patientId: who.patientId, ...(who.encounterId && { encounterId: who.encounterId }), ...extra };
  const answers = [];
  const { services, discovery } = await client.services(hook);
  for (const service of services) answers.push([service, await callService(service, context)]);
  if (!services.length) answers.push([null, { ...discovery, ok: false, problem: discovery.problem ?? `Discovery lists no service for ${hook}.` }]);
  if (round !== rounds[key]) return null;
  const shown = (await Promise.all(answers.map(([service, exchange]) => elements(service, exchange)))).flat();
  if (round !== rounds[key]) return null;
  place.removeAttribute("aria-busy");
  place.inert = false;
  place.replaceChildren(el("h3", { className: "hook-title", textContent: title.replace(/^./, (letter) => letter.toUpperCase()) }), ...shown);
  tellCount(title, answers, shown.length);
  return answers;
}

async function callService(service, context) {
  const how = own ? "prefetch" : mode();
  const live = how === "fhir" ? shownAs() : how;
  if (how !== "prefetch") return client.call(service, { context, fhirServer: `${location.origin}/demo/${live}`, note: `live reads from /demo/${live}` });
  const prefetch = await prefetched(service, context, own ? localReader(own) : fromServer);
  return client.call(service, { context, fhirServer: `${location.origin}/demo/${shownAs()}`, prefetch, note: own ? "prefetch, own case" : "prefetch" });
}

async function elements(service, exchange) {
  if (!exchange.ok) return [failureElement(exchange)];
  const cards = Array.isArray(exchange.response?.cards) ? exchange.response.cards : [];
  const texts = cards.length ? await details(cards) : [];
  const made = cards.map((card, n) => cardElement(card, texts[n], {
    take: (suggestion) => {
      acting = true;
      suggestion.actions?.forEach((action) => orders.apply(action, who));
      acting = false;
    },
    tell: (item) => client.feedback(service.id, item),
  }));
  return made.length ? made : [nothing(exchange.response)];
}

/** Whether a card stayed away because it was answered, as services that explain themselves say. */
const hasRested = (response) => Object.values(response?.extension ?? {}).some((e) => e.suppressed?.length);

/** Says that there is no card, and why not if the service explains itself. */
function nothing(response) {
  const explained = Object.values(response?.extension ?? {}).flatMap((e) => (e.reason ? [e.reason] : (e.silent ?? []).map((s) => s.because)));
  const reasons = [...new Set(explained)].map((because) => el("li", { textContent: because }));
  return el("div", { className: "nothing" },
    el("p", { textContent: hasRested(response) ? "No card: what there is to say was answered on this page before." : "No card: the service looked at this and found nothing to say." }),
    reasons.length ? el("details", {}, el("summary", { textContent: "Why not" }), el("ul", {}, ...reasons)) : null);
}

function tellCount(title, answers, count) {
  const failed = answers.some(([, exchange]) => !exchange.ok);
  const cards = answers.reduce((sum, [, exchange]) => sum + (exchange.response?.cards?.length ?? 0), 0);
  if (failed || !count) later("The service could not check this patient.");
  else later(`${cards === 1 ? "1 card" : `${cards || "No"} cards`} ${title}.`);
}

function section(hook) {
  const id = `cards-${hook}`;
  if (!$(id)) $("cards").append(el("div", { id }));
  if (hook !== "patient-view") $("cards").prepend($(id)); // the newest question first
  return $(id);
}

const referenceOf = (resource) => `${resource.resourceType}/${resource.id}`;

/** Where the cards of one draft order are: the newest order first. */
function placeOf(draft) {
  const found = [...section("order-select").children].find((place) => place.dataset.draft === draft);
  if (found) return found;
  const made = el("div", { className: "of-draft" });
  made.dataset.draft = draft;
  section("order-select").prepend(made);
  return made;
}

/** Cards live and die with their draft order; those that acted on it fold to their headline and what was sent. */
function prune() {
  const drafts = new Set(orders.drafts.map(referenceOf));
  for (const place of [...section("order-select").children]) {
    if (drafts.has(place.dataset.draft)) continue;
    rounds[place.dataset.draft] = (rounds[place.dataset.draft] ?? 0) + 1; // an answer under way comes too late
    if (!acting) place.remove();
    else for (const card of place.querySelectorAll(".card")) card.classList.add("closed");
  }
}

function order(resource) {
  selected = orders.add(resource, who);
  checkOrder();
}

function checkOrder(reference = selected) {
  const draft = orders.drafts.find((r) => referenceOf(r) === reference);
  if (!draft) return;
  const title = `for the order ${orderName(draft)}`;
  callHook("order-select", { selections: [reference], draftOrders: orders.bundle }, { draft: reference, title });
}

function checkOrders() {
  for (const draft of orders.drafts) checkOrder(referenceOf(draft));
}

// Signing: the first press asks about all drafts together; a card holds it, and the second press signs all the same.
let held = false;

function unsigned() {
  held = false;
  $("sign").disabled = !orders.bundle.entry.length;
  $("sign").textContent = "Sign the draft orders";
}

async function sign() {
  if (held) return signed("Signed all the same. This page only plays at it: nothing was sent anywhere.");
  const answers = await callHook("order-sign", { draftOrders: orders.bundle });
  if (!answers) return;
  if (answers.every(([, exchange]) => exchange.ok && !exchange.response?.cards?.length)) {
    const words = answers.some(([, { response }]) => hasRested(response)) ? "nothing to say that was not answered" : "nothing to say";
    return signed(`Signed: the service had ${words}. This page only plays at it: nothing was sent anywhere.`);
  }
  held = true;
  $("sign").textContent = "Sign all the same";
}

function signed(words) {
  selected = null;
  orders.clear();
  section("order-select").replaceChildren();
  later(words);
}

/** Draws the chart again with the draft orders on the plot's time axis. */
let drawn = Promise.resolve();
function redraw() {
  drawn = drawn.then(draw, draw);
}

async function draw() {
  const pieces = await piecesOf([...(own ?? await everything(fromServer, page.patient)), ...orders.drafts]);
  if (pieces.problem) return;
  const open = document.querySelector(".values")?.open;
  const span = document.querySelector("input[name=span]:checked")?.value;
  $("banner").replaceChildren(rendered(pieces.banner));
  $("sodium").replaceChildren(rendered(pieces.sodium));
  readable($("sodium"), span);
  $("record").replaceChildren(rendered(pieces.record));
  if (open !== undefined && document.querySelector(".values")) document.querySelector(".values").open = open;
}

/** The chart of these resources as HTML, or `problem`: why it cannot be drawn. */
async function piecesOf(resources) {
  try {
    const answer = await fetch("/demo/chart", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ resources, as: shownAs() }),
    });
    const drawn = await answer.json();
    return answer.ok ? drawn : { problem: drawn.issue?.[0]?.details?.text ?? `The chart could not be drawn (${answer.status}).` };
  } catch {
    return { problem: "The chart could not be drawn: no answer." };
  }
}

// Own cases -----------------------------------------------------------------------------------------------------

const storySodium = [...document.querySelectorAll("#sodium-table tbody tr[data-at]")].filter((row) => row.dataset.amount);
const sodiumIds = new Set(storySodium.map((row) => row.dataset.id));

/** Shows a case, or says why it cannot be shown; then everything stays as it was, patient and address too. */
async function useCase(state, words) {
  try {
    const { resources, left } = resourcesOf(state, await everything(fromServer, page.patient), page.patient, sodiumIds);
    const pieces = await piecesOf(resources);
    if (pieces.problem) throw new Error(pieces.problem);
    kept = state.bundle ? { bundle: asBundle(resources) } : { sodium: state.sodium };
    own = resources;
    who = { patientId: pieces.patientId, encounterId: pieces.encounterId };
    compare(state.sodium);
    await reopen(left ? `${words} Left out, as no part of this chart: ${left} of the Bundle's entries.` : words);
    return true;
  } catch (error) {
    $("own-status").textContent = error.message;
    return false;
  }
}

/** Lists the sodium values of the story and those of the case beside the words that it is an own case. */
function compare(sodium) {
  const place = $("own-changes");
  place.hidden = !Array.isArray(sodium);
  if (place.hidden) return;
  const words = (values) => values.map(({ value, hours }) => `${value} (${hours} h ago)`).join(", ") || "none";
  const line = (name, values) => el("li", {}, el("b", { textContent: name }), ` ${words(values)}`);
  place.replaceChildren(line("Before:", storyRows()), line("After:", sodium));
}

function asBundle(resources) {
  return { resourceType: "Bundle", type: "collection", entry: resources.map((resource) => ({ resource })) };
}

async function reopen(words) {
  $("story").hidden = own !== null;
  $("own-flag").hidden = own === null;
  $("own-trouble").hidden = true;
  for (const radio of document.querySelectorAll("input[name=mode]")) radio.disabled = own !== null && radio.value !== "prefetch";
  if (own) document.querySelector("input[name=mode][value=prefetch]").checked = true;
  else who = { patientId: page.patient, encounterId: page.encounter };
  selected = null;
  orders.clear();
  await drawn;
  for (const hook of ["order-select", "order-sign", "encounter-discharge"]) section(hook).replaceChildren();
  $("own-status").textContent = words;
  remember();
  await callHook("patient-view");
}

/** Keeps the case, the draft orders and the data mode in the address. */
let written = Promise.resolve();
function remember() {
  written = written.then(async () => {
    const state = { ...kept, ...(orders.kept.length && { orders: orders.kept, selected }), ...(mode() !== "prefetch" && { mode: mode() }), ...(shownAs() !== "fhir" && { as: shownAs() }) };
    history.replaceState(null, "", Object.keys(state).length ? await toAddress(state) : location.pathname);
  });
}

function fillEditor(rows) {
  $("own-rows").replaceChildren(...rows.map(({ value, hours }) => valueRow(value, hours)));
}

function storyRows() {
  return storySodium.map((row) => ({ value: row.dataset.amount, hours: String(Math.round((Date.now() - Date.parse(row.dataset.at)) / 360_000) / 10) }));
}

$("own-add").addEventListener("click", () => {
  const row = valueRow("", "0");
  $("own-rows").prepend(row);
  row.querySelector("input").focus();
});
$("own-apply").addEventListener("click", async () => {
  const sodium = rowValues($("own-rows").children);
  if (!sodium) {
    $("own-status").textContent = "Each value needs a number of mmol/L from 0 to 250, and how many hours ago it was taken.";
    return;
  }
  const shown = await useCase({ sodium }, "Shown with these values. The address of this page brings the case back.");
  if (shown) $("banner").parentElement.scrollIntoView({ block: "start" }); // it lists what changed; cards and plot are below
});
$("own-use").addEventListener("click", () => {
  try {
    const bundle = JSON.parse($("own-text").value);
    useCase({ bundle }, "Shown with this Bundle. The address of this page brings the case back.");
  } catch {
    $("own-status").textContent = $("own-text").value.trim() ? `This is not JSON${placeIn($("own-text"))}.` : "Paste a Bundle first.";
  }
});

$("own-reset").addEventListener("click", () => {
  own = null;
  compare(null);
  kept = {};
  fillEditor(storyRows());
  reopen("Back to the story.");
  $("cards-title").scrollIntoView({ block: "nearest" });
});

// Orders and modes ----------------------------------------------------------------------------------------------

async function fromDemo(path) {
  try {
    const answer = await fetch(path);
    if (answer.ok) return await answer.json();
  } catch {
    // shown below, as any other failure
  }
  later("The demo did not answer: nothing was ordered. Is it still running?");
  return null;
}

let menu = null;
$("formulary").addEventListener("change", async ({ target }) => {
  if (!target.value) return;
  const key = target.value;
  menu ??= await fromDemo("/demo/formulary");
  if (menu) order(menu[key]);
  target.value = "";
});
$("order-form").addEventListener("submit", (event) => {
  event.preventDefault();
  const text = $("free-text").value.trim();
  if (!text) return $("free-text").focus();
  order({ resourceType: "MedicationRequest", status: "draft", intent: "order", medicationCodeableConcept: { text } });
  $("free-text").value = "";
});
$("story-order")?.addEventListener("click", async () => {
  const call = await fromDemo(`/demo/stories/${page.story}/request`);
  if (!call) return;
  for (const { resource } of call.context.draftOrders.entry) orders.add(resource, who);
  if (!call.context.selections) return sign(); // the story is about the moment of signing
  selected = call.context.selections[0];
  checkOrder();
});
$("sign").addEventListener("click", sign);
$("discharge").addEventListener("click", () => callHook("encounter-discharge"));
$("modes").addEventListener("change", () => {
  remember();
  callHook("patient-view");
  checkOrders();
});
$("callers").addEventListener("change", () => {
  callHook("patient-view");
  checkOrders();
});
$("as").addEventListener("change", () => {
  remember();
  redraw();
  callHook("patient-view");
  checkOrders();
});

// Until this script listens, a press would be lost (or send a form): such buttons wait for it.
for (const button of document.querySelectorAll("[data-waits]")) button.disabled = false;

async function start() {
  readable($("sodium"));
  fillEditor(storyRows());
  let state = null;
  try {
    state = await fromAddress(location.hash);
  } catch {
    $("own-trouble").textContent = "The address holds no case that could be read; this is the story.";
  }
  $("own-trouble").hidden = $("own-trouble").textContent === "";
  if ([...$("as").options].some(({ value }) => value === state?.as)) {
    $("as").value = state.as;
    redraw();
  }
  if (!state) return callHook("patient-view");
  if (!isCase(state)) return resume(state);
  if (Array.isArray(state.sodium)) fillEditor(state.sodium.map(({ value, hours }) => ({ value: String(value), hours: String(hours) })));
  if (state.bundle) $("own-text").value = JSON.stringify(state.bundle, null, 2);
  if (await useCase(state, "This case came with the address of the page.")) return reorder(state);
  $("own-trouble").textContent = `The case in the address cannot be shown; this is the story. ${$("own-status").textContent}`;
  $("own-trouble").hidden = false;
  callHook("patient-view");
}

/** The story as somebody left it: the data mode and the draft orders. */
async function resume(state) {
  const radio = [...document.querySelectorAll("input[name=mode]")].find(({ value }) => value === state.mode);
  if (radio) radio.checked = true;
  const opened = callHook("patient-view");
  reorder(state);
  await opened;
}

function reorder({ orders: entries, selected: reference }) {
  if (!entries?.length) return;
  orders.restore(entries, who);
  selected = reference;
  checkOrders();
}

addEventListener("hashchange", () => location.reload()); // somebody pasted the address of another case

start();
