// The EHR's side of CDS Hooks: discovery, prefetch, call, feedback. It knows the specification and no service.
import { uuid } from "./dom.js";

const PATIENCE_MS = 10_000;

/** A client for the CDS services at `discovery`. It calls `onBegin` as an exchange begins, and what that returns at its end. */
export class Client {
  constructor(discovery, onBegin, authorize = async () => null) {
    this.discovery = discovery;
    this.onBegin = onBegin;
    this.authorize = authorize; // the Authorization header of a call to this address, or null
  }

  /** The services for a hook, and the exchange that listed them; it is repeated only if it failed. */
  async services(hook) {
    this.listed ??= this.exchange("discovery", "GET", this.discovery);
    const discovery = await this.listed;
    if (!discovery.ok) this.listed = undefined;
    const services = Array.isArray(discovery.response?.services) ? discovery.response.services : [];
    return { services: services.filter((service) => service.hook === hook), discovery };
  }

  /** Makes one hook call and returns the exchange, also if it failed. */
  async call(service, { context, fhirServer, prefetch, note }) {
    const body = { hook: service.hook, hookInstance: uuid(), fhirServer, context };
    if (prefetch) body.prefetch = prefetch;
    return this.exchange(service.hook, "POST", `${this.discovery}/${service.id}`, body, note);
  }

  /** What became of a card. */
  async feedback(serviceId, item) {
    const body = { feedback: [{ ...item, outcomeTimestamp: new Date().toISOString() }] };
    return this.exchange("feedback", "POST", `${this.discovery}/${serviceId}/feedback`, body);
  }

  async exchange(kind, method, url, request, note = "") {
    const began = performance.now();
    const done = { kind, method, url, request, note, ok: false, status: 0, response: null };
    const ended = this.onBegin(done);
    try {
      const authorization = request ? await this.authorize(url) : null;
      if (authorization) done.note = [note, "with a token (JWT)"].filter(Boolean).join(", ");
      const answer = await fetch(url, {
        method,
        headers: { Accept: "application/json", ...(request && { "Content-Type": "application/json" }), ...(authorization && { Authorization: authorization }) },
        body: request && JSON.stringify(request),
        signal: AbortSignal.timeout(PATIENCE_MS),
      });
      done.status = answer.status;
      done.response = await answer.json();
      done.ok = answer.ok;
    } catch (error) {
      done.problem = error.name === "TimeoutError" ? "No answer in ten seconds." : "No answer, or one that is no JSON.";
    }
    done.milliseconds = Math.round(performance.now() - began);
    ended();
    return done;
  }
}

/** A prefetch template with the ids of the context in it, or null if the context lacks one. */
export function filled(template, context) {
  let whole = true;
  const query = template.replace(/\{\{\s*context\.(\w+)\s*\}\}/g, (_, name) => {
    whole &&= typeof context[name] === "string" && context[name] !== "";
    return encodeURIComponent(context[name] ?? "");
  });
  return whole && !query.includes("{{") ? query : null;
}

/** The prefetch of a service: `read` answers each query; what cannot be resolved is left out. */
export async function prefetched(service, context, read) {
  const wanted = Object.entries(service.prefetch ?? {})
    .map(([key, template]) => [key, filled(template, context)])
    .filter(([, query]) => query !== null);
  const answers = await Promise.all(wanted.map(([, query]) => read(query)));
  return Object.fromEntries(wanted.map(([key], n) => [key, answers[n]]).filter(([, answer]) => answer !== null));
}
