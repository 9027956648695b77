// The workbench: polls for new calls, opens one, sends it again with changes, copies it, saves it as a story.
import { el, rendered } from "./dom.js";
import { placeIn } from "./json.js";

const POLL_MS = 1000;
const MOST = 100; // as many as the service keeps
const $ = (id) => document.getElementById(id);
const list = $("timeline");
const texts = new Map(); // number of a call -> { request, curl }, once it was opened
let latest = 0;

async function asked(path, body) {
  const answer = await fetch(`/workbench${path}`, body === undefined ? {} : {
    method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body),
  });
  const isJson = (answer.headers.get("Content-Type") ?? "").includes("json");
  if (!answer.ok) throw new Error((await answer.json()).issue?.[0]?.details?.text ?? `The service answered ${answer.status}.`);
  return isJson ? answer.json() : answer.blob();
}

// The timeline ---------------------------------------------------------------------------------------------------

async function poll() {
  if ($("live").checked && !document.hidden) {
    try {
      const { latest: newest, calls } = await asked(`/calls?after=${latest}`);
      if (newest < latest) list.replaceChildren(); // the service was started again: its numbers begin at 1
      latest = newest;
      for (const call of calls) add(call);
      if (calls.length || $("bench-status").dataset.lost) tell();
    } catch {
      $("bench-status").dataset.lost = "1";
      $("bench-status").textContent = "The service does not answer. Trying again …";
    }
  }
  setTimeout(poll, POLL_MS);
}

function tell() {
  delete $("bench-status").dataset.lost;
  const count = list.children.length;
  $("bench-status").textContent = count ? `${count} ${count === 1 ? "call" : "calls"}.` : "No calls.";
}

function add({ number, html }) {
  if (list.querySelector(`:scope > li[data-number="${number}"]`)) return;
  const row = el("li", { "data-number": `${number}` }, rendered(html));
  row.querySelector("details").addEventListener("toggle", () => open(row, number));
  list.prepend(row);
  while (list.children.length > MOST) {
    texts.delete(Number(list.lastElementChild.dataset.number));
    list.lastElementChild.remove();
  }
}

async function open(row, number) {
  const place = row.querySelector(".steps");
  if (place.childElementCount || !row.querySelector("details").open) return;
  try {
    const call = await asked(`/calls/${number}`);
    texts.set(number, call);
    place.replaceChildren(rendered(call.html));
    for (const button of place.querySelectorAll("[data-act]")) button.addEventListener("click", () => acts[button.dataset.act](place, number, button));
    place.querySelector("form.edit").addEventListener("submit", (event) => send(event, place, number));
    place.querySelector("form.story-form").addEventListener("submit", (event) => save(event, place, number));
  } catch (error) {
    place.replaceChildren(el("p", { className: "bad", textContent: error.message }));
  }
}

// What can be done with a call -------------------------------------------------------------------------------------

const acts = {
  edit(place, number, button) {
    const field = unfold(place, ".edit", button)?.querySelector("textarea");
    if (!field) return;
    field.value ||= texts.get(number).request;
    field.focus();
    field.setSelectionRange(0, 0);
  },
  async curl(place, number) {
    try {
      await navigator.clipboard.writeText(texts.get(number).curl);
      say(place, "Copied. It holds the data of the call.");
    } catch {
      say(place, "The browser does not allow it.");
    }
  },
  story(place, number, button) {
    unfold(place, ".story-form", button)?.querySelector("input").focus();
  },
};

function unfold(place, which, button) {
  const form = place.querySelector(which);
  form.hidden = !form.hidden;
  button.setAttribute("aria-expanded", String(!form.hidden));
  return form.hidden ? null : form;
}

function say(place, words) {
  place.querySelector(".told").textContent = words;
}

async function send(event, place, number) {
  event.preventDefault();
  const field = place.querySelector(".edit textarea");
  const wrong = place.querySelector(".edit [role=alert]");
  wrong.textContent = "";
  try {
    JSON.parse(field.value);
  } catch {
    wrong.textContent = `This is not JSON${placeIn(field)}.`;
    return;
  }
  try {
    const { html } = await asked(`/calls/${number}/again`, { body: field.value });
    const result = place.querySelector(".result");
    result.replaceChildren(rendered(html));
    result.querySelector("h2").focus();
  } catch (error) {
    wrong.textContent = error.message;
  }
}

async function save(event, place, number) {
  event.preventDefault();
  const given = Object.fromEntries(new FormData(event.target));
  try {
    const file = await asked(`/calls/${number}/story`, given);
    const link = el("a", { href: URL.createObjectURL(file), download: `${given.name}.zip` });
    link.click();
    URL.revokeObjectURL(link.href);
    say(place, `Downloaded as ${given.name}.zip. Unpack it into a folder of stories; "cds-service replay ${given.name} --fixtures FOLDER" shows its cards.`);
  } catch (error) {
    say(place, error.message);
  }
}

$("forget").addEventListener("click", async () => {
  try {
    latest = (await asked("/forget", {})).latest;
    list.replaceChildren();
    texts.clear();
    tell();
  } catch (error) {
    $("bench-status").textContent = error.message;
  }
});

$("forget").disabled = false; // it waited for this script
poll();
