// JSON that a person edits: where it breaks, as line and column. Browsers name a place only for some errors.

const SPACE = /[ \t\n\r]*/y;
const STRING = /"(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"/y;
const PLAIN = /true|false|null|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y;

/** The index of the first character at which a text stops being JSON; its length if it ends too early; -1 if it is JSON. */
export function breaksAt(text) {
  let at = 0;
  const take = (pattern) => {
    pattern.lastIndex = at;
    const found = pattern.test(text);
    if (found) at = pattern.lastIndex;
    return found;
  };
  const next = (sign) => {
    take(SPACE);
    if (text[at] !== sign) return false;
    at += 1;
    return true;
  };
  const open = []; // what closes each object or list that is open
  let wants = "value"; // value, first (a value or the end of a list), key, first-key, or after (a comma or an end)
  for (;;) {
    take(SPACE);
    if (wants === "after" && !open.length) return at < text.length ? at : -1;
    if (wants === "after") {
      if (next(",")) wants = open.at(-1) === "}" ? "key" : "value";
      else if (next(open.at(-1))) open.pop();
      else return at;
    } else if ((wants === "first" || wants === "first-key") && next(open.at(-1))) {
      open.pop();
      wants = "after";
    } else if (wants.endsWith("key")) {
      if (!take(STRING) || !next(":")) return at;
      wants = "value";
    } else if (next("{")) {
      open.push("}");
      wants = "first-key";
    } else if (next("[")) {
      open.push("]");
      wants = "first";
    } else if (take(STRING) || take(PLAIN)) wants = "after";
    else return at;
  }
}

/** Where the JSON of a field breaks, as words after "This is not JSON"; the field's cursor is set there. */
export function placeIn(field) {
  const text = field.value;
  const at = Math.max(breaksAt(text), 0);
  const lines = text.slice(0, at).split("\n");
  field.focus();
  field.setSelectionRange(at, Math.min(at + 1, text.length));
  const place = `line ${lines.length}, column ${lines.at(-1).length + 1}`;
  return at < text.length ? `: it breaks at ${place}` : `: it ends too early, at ${place}`;
}
