// Where the EHR's data is: a FHIR server, or a case that lives in this page alone.
const TYPES = ["Encounter", "Observation", "Condition", "MedicationRequest", "MedicationAdministration"];

/** Answers FHIR queries from a server; an OperationOutcome is passed on, and null if there is no answer. */
export function serverReader(base) {
  return async (query) => {
    const [path, search] = query.split("?");
    const url = search ? `${base}/${path}?${new URLSearchParams(search)}` : `${base}/${path}`;
    try {
      const answer = await fetch(url, { headers: { Accept: "application/fhir+json" } });
      return answer.status === 404 ? null : await answer.json();
    } catch {
      return null;
    }
  };
}

/** All resources of a patient that the chart needs. */
export async function everything(read, patientId) {
  const bundles = await Promise.all(TYPES.map((type) => read(`${type}?patient=${patientId}&_count=500`)));
  const entries = bundles.flatMap((bundle) => (bundle?.entry ?? []).map((entry) => entry.resource));
  return [await read(`Patient/${patientId}`), ...entries].filter(Boolean);
}

/** Answers the same queries from resources in memory: the searches that prefetch templates use. */
export function localReader(resources) {
  return async (query) => {
    const [path, search] = query.split("?");
    const [type, id] = path.split("/").map(decodeURIComponent);
    if (id !== undefined) return resources.find((r) => r.resourceType === type && r.id === id) ?? null;
    const wanted = new URLSearchParams(search);
    const matching = resources.filter((r) => r.resourceType === type && matches(r, wanted));
    if (wanted.get("_sort")?.startsWith("-")) matching.sort((a, b) => (dated(b) > dated(a) ? 1 : -1));
    const page = matching.slice(0, Number(wanted.get("_count") ?? 50));
    const more = wanted.get("_include") === "MedicationRequest:medication" ? included(page, resources) : [];
    const entry = [...page, ...more].map((resource) => ({ resource }));
    const bundle = { resourceType: "Bundle", type: "searchset", total: matching.length };
    if (page.length < matching.length) bundle.link = [{ relation: "next", url: "urn:uuid:not-kept" }];
    return entry.length ? { ...bundle, entry } : bundle;
  };
}

function matches(resource, wanted) {
  const patient = wanted.get("patient");
  const subject = resource.subject?.reference ?? resource.patient?.reference ?? "";
  if (patient && subject.split("/").pop() !== patient) return false;
  if (wanted.has("status") && !wanted.get("status").split(",").includes(resource.status)) return false;
  if (!wanted.has("code")) return true;
  const codes = new Set(wanted.get("code").split(","));
  const codings = Array.isArray(resource.code?.coding) ? resource.code.coding : [];
  return codings.some((coding) => codes.has(`${coding?.system}|${coding?.code}`) || codes.has(coding?.code));
}

function dated(resource) {
  return String(resource.effectiveDateTime ?? resource.authoredOn ?? resource.recordedDate ?? resource.issued ?? "");
}

function included(orders, resources) {
  const wanted = new Set(orders.map((order) => order.medicationReference?.reference));
  return resources.filter((r) => r.resourceType === "Medication" && wanted.has(`Medication/${r.id}`));
}
