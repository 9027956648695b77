// What the service is measured against: a CDS Hooks service in Node with a toy rule ("is the newest sodium low, is
// there a thiazide?"). With Express where it is installed (npm install --no-save --prefix bench/node express@4), as
// node-cds-hooks is built; else on Node's own http. It validates nothing, and that is the point.
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

let express = null;
try { express = require("express"); } catch { /* Node's own http, then */ }

if (express) {
  const app = express();
  app.use(express.json({ limit: "8mb" }));
  app.post("/cds-services/:id", (request, response) => response.json({ cards: cards(request.body) }));
  app.get("/ready", (_, response) => response.json({ status: "ok", framework: "Express" }));
  app.listen(port, "127.0.0.1");
} else {
  require("node:http").createServer((request, response) => {
    const parts = [];
    request.on("data", (part) => parts.push(part)).on("end", () => {
      const call = request.method === "POST" ? JSON.parse(Buffer.concat(parts)) : null;
      const body = JSON.stringify(call ? { cards: cards(call) } : { status: "ok", framework: "http" });
      response.writeHead(200, { "Content-Type": "application/json", "Content-Length": Buffer.byteLength(body) }).end(body);
    });
  }).listen(port, "127.0.0.1");
}
