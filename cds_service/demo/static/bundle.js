// A pasted Bundle as an EHR would hold it: one patient, references resolved, only what a chart is made of.

// The server that draws the chart and the service take no more than this.
export const MOST_CHARACTERS = 1_000_000;
const MOST_RESOURCES = 2000;
const KINDS = new Set(["Patient", "Encounter", "Observation", "Condition", "MedicationRequest", "MedicationAdministration", "NutritionOrder", "Medication"]);

/** `{ resources, left }`: the first Patient's record, and how many other entries were left out; throws with words for a person. */
export function bundled(bundle) {
  if (bundle?.resourceType !== "Bundle" || !Array.isArray(bundle.entry)) throw new Error("This is no FHIR Bundle with entries.");
  const entries = bundle.entry.filter((entry) => typeof entry?.resource?.resourceType === "string");
  const named = entries.map(({ fullUrl, resource }) => ({ fullUrl, resource: { ...resource, id: resource.id ?? urnId(fullUrl) } }));
  const patient = named.find(({ resource }) => resource.resourceType === "Patient")?.resource;
  if (!patient) throw new Error("The Bundle holds no Patient.");
  if (!/^[A-Za-z0-9.-]{1,64}$/.test(patient.id ?? "")) throw new Error("The Bundle's Patient has no id that FHIR allows (letters, digits, - and .).");
  const urls = new Map(named.map(({ fullUrl, resource }) => [fullUrl, `${resource.resourceType}/${resource.id}`]));
  const kept = named.map(({ resource }) => resource).filter((r) => KINDS.has(r.resourceType)).map((r) => resolved(r, urls));
  const resources = [patient, ...kept.filter((r) => r.resourceType !== "Patient" && isAbout(r, patient.id))];
  if (resources.length > MOST_RESOURCES || JSON.stringify(resources).length > MOST_CHARACTERS) {
    throw new Error("The Bundle is too large for this page: at most 2000 resources and a million characters of one patient.");
  }
  return { resources, left: bundle.entry.length - resources.length };
}

function urnId(fullUrl) {
  return typeof fullUrl === "string" ? fullUrl.match(/^urn:uuid:([0-9a-f-]{36})$/i)?.[1] : undefined;
}

function isAbout(resource, patientId) {
  const reference = resource.subject?.reference ?? resource.patient?.reference;
  return typeof reference !== "string" || reference.split("/").pop() === patientId;
}

/** The same value with references to entries ("urn:uuid:...") as references to resources ("Patient/7"). */
function resolved(value, urls) {
  if (Array.isArray(value)) return value.map((part) => resolved(part, urls));
  if (value === null || typeof value !== "object") return value;
  const parts = Object.entries(value).map(([name, part]) => [name, name === "reference" && urls.has(part) ? urls.get(part) : resolved(part, urls)]);
  return Object.fromEntries(parts);
}
