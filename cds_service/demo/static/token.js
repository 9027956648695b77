// The tokens of the page: it signs as the demo's registered test client (CDS Hooks, "Trusting CDS Clients").
import { uuid } from "./dom.js";

const LIFE_S = 120;
const CURVE = { name: "ECDSA", namedCurve: "P-384" };
const bytesOf = (value) => new TextEncoder().encode(JSON.stringify(value));
const part = (bytes) => btoa(Array.from(new Uint8Array(bytes), (byte) => String.fromCharCode(byte)).join("")).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");

/** Signs for the test client of this demo; null if the demo has none, or the browser signs only on https and on this machine. */
export async function signer() {
  if (!globalThis.crypto?.subtle) return null;
  const answer = await fetch("/demo/test-ehr");
  if (!answer.ok) return null;
  const { issuer, base, key } = await answer.json();
  const own = await crypto.subtle.importKey("jwk", { ...key, use: undefined, alg: undefined }, CURVE, false, ["sign"]);
  const { privateKey: strange } = await crypto.subtle.generateKey(CURVE, false, ["sign"]);
  /** The header of one call: `kind` "signed" or, with a key that nobody registered, "strange". */
  return async (kind, url, tenant) => {
    const now = Math.floor(Date.now() / 1000);
    const claims = { iss: issuer, aud: base + new URL(url).pathname, iat: now, exp: now + LIFE_S, jti: uuid(), tenant };
    const text = `${part(bytesOf({ alg: "ES384", typ: "JWT", kid: key.kid }))}.${part(bytesOf(claims))}`;
    const signature = await crypto.subtle.sign({ name: "ECDSA", hash: "SHA-384" }, kind === "strange" ? strange : own, new TextEncoder().encode(text));
    return `Bearer ${text}.${part(signature)}`;
  };
}
