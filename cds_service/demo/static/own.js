// What the address keeps after the "#": an own case (other sodium values, or a pasted Bundle), draft orders, the data mode.
import { bundled, MOST_CHARACTERS } from "./bundle.js";
import { el } from "./dom.js";

const HOUR_MS = 3_600_000;
const SODIUM = { coding: [{ system: "http://loinc.org", code: "2951-2", display: "Sodium [Moles/volume] in Serum or Plasma" }], text: "Sodium" };

/** `{ sodium | bundle, orders, selected, mode }`, each if it is there, from the address, or null; throws if the address holds something else. */
export async function fromAddress(hash) {
  const text = new URLSearchParams(hash.replace(/^#/, "")).get("case");
  if (!text) return null;
  const bytes = Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (c) => c.charCodeAt(0));
  const state = JSON.parse(await inflated(bytes));
  if (!isCase(state) && !state?.orders && !state?.mode && !state?.as) throw new Error("no case");
  if (!(state.orders ?? []).every(isOrder)) throw new Error("no orders");
  return state;
}

/** Whether it is a case of one's own, and not the story's. */
export function isCase(state) {
  return Array.isArray(state?.sodium) || (typeof state?.bundle === "object" && state.bundle !== null);
}

function isOrder(entry) {
  return ["create", "update"].includes(entry?.kind) && [entry.resource?.resourceType, entry.resource?.id].every((v) => typeof v === "string" && v);
}

/** The part after the "#" that brings this state back. */
export async function toAddress(state) {
  const packed = new Blob([JSON.stringify(state)]).stream().pipeThrough(new CompressionStream("deflate-raw"));
  const bytes = new Uint8Array(await new Response(packed).arrayBuffer());
  const text = btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""));
  return `#case=${text.replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "")}`;
}

async function inflated(bytes) {
  const reader = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate-raw")).pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  for (let part = await reader.read(); !part.done; part = await reader.read()) {
    text += part.value;
    if (text.length > MOST_CHARACTERS) throw new Error("too long"); // a small address may hold a bomb
  }
  return text;
}

/** The resources of a case, and how many entries were left out: the story's with these sodium values, or those of the Bundle. */
export function resourcesOf(own, story, patientId, sodiumIds) {
  if (own.bundle) return bundled(own.bundle);
  if (!own.sodium.every((v) => isAmount(v?.value, 250) && isAmount(v?.hours, 1_000_000))) throw new Error("The case holds values that are no sodium results.");
  const kept = story.filter((r) => !(r.resourceType === "Observation" && sodiumIds.has(r.id)));
  const made = own.sodium.map(({ value, hours }, n) => ({
    resourceType: "Observation", id: `own-sodium-${n + 1}`, status: "final", code: SODIUM,
    subject: { reference: `Patient/${patientId}` },
    effectiveDateTime: new Date(Date.now() - hours * HOUR_MS).toISOString().replace(/\.\d+Z$/, "Z"),
    valueQuantity: { value, unit: "mmol/L", system: "http://unitsofmeasure.org", code: "mmol/L" },
  }));
  return { resources: [...kept, ...made], left: 0 };
}

function isAmount(value, most) {
  return typeof value === "number" && value >= 0 && value <= most;
}

/** One row of the editor. */
export function valueRow(value, hours) {
  const number = (label, amount, step, most) => el("input", { type: "number", value: amount, step, min: "0", max: most, required: true, "aria-label": label });
  const remove = el("button", { type: "button", textContent: "Remove", "aria-label": "Remove this value" });
  const row = el("tr", {},
    el("td", {}, number("Sodium, mmol/L", value, "0.01", "250")),
    el("td", {}, number("Hours ago", hours, "any", "1000000")),
    el("td", {}, remove));
  remove.addEventListener("click", () => {
    row.remove();
    document.getElementById("own-add").focus();
  });
  return row;
}

/** What the editor's rows hold now, or null if a field is empty or no number. */
export function rowValues(rows) {
  const values = [...rows].map((row) => {
    const [value, hours] = [...row.querySelectorAll("input")].map((input) => (input.checkValidity() ? Number(input.value) : NaN));
    return { value, hours };
  });
  return values.every((v) => Number.isFinite(v.value) && Number.isFinite(v.hours)) ? values : null;
}
