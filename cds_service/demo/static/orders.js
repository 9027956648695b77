// Draft orders on the page: picked by the clinician or made by a card's suggestion; nothing is signed here.
import { el, uuid } from "./dom.js";

/** The words for an order of any kind of resource. */
export function orderName(resource) {
  const named = resource.medicationCodeableConcept ?? resource.code ?? resource.oralDiet?.type?.[0];
  return named?.text ?? named?.coding?.[0]?.display ?? resource.resourceType;
}

const amount = (quantity) => quantity && `${quantity.value} ${(quantity.unit ?? "").replace(/[{}]/g, "")}`.trim();

/** What an order says beyond its name: dose or volume, rate, how often, route, when. */
export function orderDetail(resource) {
  const dosage = resource.dosageInstruction?.[0];
  const dose = dosage?.doseAndRate?.[0]?.doseQuantity;
  const times = dosage?.timing?.repeat?.period === 1 && dosage.timing.repeat.periodUnit === "d" ? dosage.timing.repeat.frequency : null;
  const due = resource.occurrenceDateTime?.match(/^(\d{4}-\d{2}-\d{2})(?:T(\d{2}:\d{2}))?/);
  const rate = dosage?.doseAndRate?.[0]?.rateQuantity;
  const parts = [
    dosage?.text ?? amount(dose),
    !dosage?.text && rate && `at ${amount(rate)}`,
    !dosage?.text && times && `${times} × daily`,
    dosage?.route?.text ?? dosage?.route?.coding?.[0]?.display,
    resource.oralDiet?.instruction,
    due && `due ${due[1]} ${due[2] ?? ""}`.trim(),
  ];
  return parts.filter(Boolean).join(", ");
}

export class Orders {
  /** `changed` is called after every change of the list. */
  constructor(list, changed) {
    this.list = list;
    this.changed = changed;
    this.entries = []; // {reference, url, resource, from}
  }

  /** The drafts as a FHIR Bundle; changes of orders that were signed before are not drafts. */
  get bundle() {
    const entry = this.entries.filter((e) => e.kind === "create").map(({ url, resource }) => ({ fullUrl: url, resource }));
    return { resourceType: "Bundle", type: "collection", entry };
  }

  /** The draft resources. */
  get drafts() {
    return this.bundle.entry.map((entry) => entry.resource);
  }

  /** Adds a draft for this patient and returns its reference. */
  add(template, { patientId, encounterId }, from = "picked") {
    const now = new Date().toISOString().replace(/\.\d+Z$/, "Z");
    const resource = { ...structuredClone(template), id: template.id ?? `draft-${uuid()}` };
    const subject = { reference: `Patient/${patientId}` };
    if (resource.resourceType === "NutritionOrder") {
      Object.assign(resource, { patient: subject, dateTime: resource.dateTime ?? now });
    } else {
      Object.assign(resource, { subject, authoredOn: resource.authoredOn ?? now });
    }
    if (encounterId) resource.encounter = { reference: `Encounter/${encounterId}` };
    return this.keep("create", resource, from);
  }

  /** Does what an action of a suggestion says, as an EHR would: on drafts, for the clinician to sign. */
  apply(action, who) {
    if (action.type === "delete") return this.remove(action.resourceId);
    if (action.type === "create") return this.add(action.resource, who, "suggested");
    const reference = `${action.resource.resourceType}/${action.resource.id}`;
    const draft = this.entries.find((e) => e.reference === reference && e.kind === "create");
    return this.keep(draft ? "create" : "update", action.resource, "suggested");
  }

  keep(kind, resource, from) {
    const reference = `${resource.resourceType}/${resource.id}`;
    const url = this.entries.find((e) => e.reference === reference)?.url ?? `urn:uuid:${uuid()}`;
    this.entries = [...this.entries.filter((e) => e.reference !== reference), { kind, reference, url, resource, from }];
    this.show();
    return reference;
  }

  remove(reference) {
    this.entries = this.entries.filter((e) => e.reference !== reference);
    this.show();
    return reference;
  }

  /** What `restore` takes: each with `kind`, `resource` and `from`. */
  get kept() {
    return this.entries.map(({ kind, resource, from }) => ({ kind, resource, from }));
  }

  /** Brings kept entries back; a draft is written anew, as of now. */
  restore(entries, who) {
    for (const { kind, resource, from } of entries) {
      const { authoredOn, dateTime, ...draft } = resource;
      if (kind === "create") this.add(draft, who, from);
      else this.keep(kind, resource, from);
    }
  }

  clear() {
    this.entries = [];
    this.show();
  }

  show() {
    const rows = this.entries.map(({ kind, reference, resource, from }) => {
      const name = kind === "update" ? `Change of an order: ${orderName(resource)} → ${resource.status}` : orderName(resource);
      const button = el("button", { type: "button", textContent: "Remove", "aria-label": `Remove ${name}` });
      button.addEventListener("click", () => {
        this.remove(reference);
        this.list.closest("section").querySelector("#formulary").focus(); // the button is gone
      });
      const words = el("span", {}, el("b", { textContent: name }), " ", el("span", { className: "quiet", textContent: [orderDetail(resource), from].filter(Boolean).join(" · ") }));
      return el("li", { className: "draft", "data-reference": reference }, words, button);
    });
    this.list.replaceChildren(...(rows.length ? rows : [el("li", { className: "empty", textContent: "None yet." })]));
    this.changed();
  }
}
