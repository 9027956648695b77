// What the service is measured against: a CDS Hooks service in Node with a toy rule ("is the newest sodium low, is
// there a thiazide?"), with Express, as node-cds-hooks is built. `make bench` installs Express by package-lock.json.
// It validates nothing, and that is the point.
const port = Number(process.argv[2]);

function cards(call) {
  let latest = null;
  for (const { resource } of call.prefetch.sodium.entry || []) {
    if (!(resource.code.coding || []).some((coding) => coding.code === "2951-2")) continue;
    if (!latest || resource.effectiveDateTime > latest.effectiveDateTime) latest = resource;
  }
  if (!latest || latest.valueQuantity.value >= 135) return [];
  const orders = (call.prefetch.medications.entry || []).map((entry) => entry.resource);
  const drug = orders.find((order) =>
    (order.medicationCodeableConcept?.coding || []).some((coding) => /thiazide|sertraline/i.test(coding.display || "")));
  return [{
    uuid: latest.id, indicator: "warning", source: { label: "toy" },
    summary: `Sodium ${latest.valueQuantity.value} mmol/L`, detail: drug ? "A culprit drug." : "No culprit drug.",
  }];
}

// Without Express this would measure Node's bare http and call it the peer.
const express = require("express");
const { version } = require("express/package.json");
const app = express();
app.use(express.json({ limit: "8mb" }));
app.post("/cds-services/:id", (request, response) => response.json({ cards: cards(request.body) }));
app.get("/ready", (_, response) => response.json({ status: "ok", framework: `Express ${version}` }));
app.listen(port, "127.0.0.1");
