// Small things that every part of the page needs. The only place that turns HTML text into elements.

/** An element with properties (or attributes, if a name holds a hyphen) and children; text is never parsed. */
export function el(tag, props = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (name.includes("-") || name === "role") made.setAttribute(name, value);
    else made[name] = value;
  }
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

// The Content-Security-Policy allows HTML through this policy alone. What passes it was rendered by our own
// server, with HTML off (Markdown) or escaped (chart); the allow-list below is the second lock.
const policy = globalThis.trustedTypes?.createPolicy("ehr", { createHTML: (html) => html });

function parsed(html) {
  return new DOMParser().parseFromString(policy ? policy.createHTML(html) : html, "text/html").body;
}

/** HTML that our server rendered from its own templates. */
export function rendered(html) {
  const fragment = document.createDocumentFragment();
  fragment.append(...parsed(html).childNodes);
  return fragment;
}

const TAGS = new Set("P UL OL LI STRONG EM A CODE PRE BR HR S DEL BLOCKQUOTE H1 H2 H3 H4 H5 H6 TABLE THEAD TBODY TR TH TD".split(" "));

/** A card's detail: only the elements of Markdown, no attribute but a link's address; links leave the page. */
export function markdown(html) {
  const fragment = document.createDocumentFragment();
  fragment.append(...[...parsed(html).childNodes].flatMap(allowed));
  return fragment;
}

function allowed(node) {
  if (node.nodeType === Node.TEXT_NODE) return [document.createTextNode(node.data)];
  if (node.nodeType !== Node.ELEMENT_NODE) return [];
  const children = [...node.childNodes].flatMap(allowed);
  if (!TAGS.has(node.tagName)) return children;
  const copy = el(/^H[1-6]$/.test(node.tagName) ? "h5" : node.tagName.toLowerCase(), {}, ...children);
  const href = node.tagName === "A" ? node.getAttribute("href") : null;
  if (href) leaving(copy, href);
  return [copy];
}

/** Make `anchor` a link to another page, in a new tab, if the address is one of the web. */
export function leaving(anchor, href) {
  if (!/^https?:\/\//i.test(href)) return anchor;
  return Object.assign(anchor, { href, target: "_blank", rel: "noopener noreferrer" });
}

/** A random UUID; crypto.randomUUID is missing if a demo is reached over plain http. */
export function uuid() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const hex = [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}
