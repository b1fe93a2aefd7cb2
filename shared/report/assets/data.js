// What the page knows: the embedded data, decoded once. Every text in it is text and nothing else: it only ever
// becomes the text of a node.

/** Of each word: its sign and its text. */
let SIGNS;
let STATES;
const STANDINGS = { A: "allowed", D: "denied", U: "unlisted" };
const LETTERS = ["", "A", "D", "U"];
const NUMBERS = { A: 1, D: 2, U: 3 };

/** The places that rising distances stand for. */
function places(distances) {
  let at = 0;
  return distances.map((distance) => (at += distance));
}

function decodeLink(coded, raw) {
  const count = raw.p.length;
  const management = raw.m[coded.m];
  const desired = new Uint8Array(count);
  if (management && management.s) {
    for (let at = 0; at < count; at++) desired[at] = NUMBERS[management.s[at]];
  }
  const standing = desired.slice();
  const wanted = new Uint8Array(count);
  const reason = new Int32Array(count).fill(-1);
  const edited = new Map();
  const differing = places(coded.p);
  const reasons = coded.r.flatMap(([of, times]) => Array(times).fill(of));
  const kinds = new Set();
  differing.forEach((product, at) => {
    standing[product] = NUMBERS[coded.s[at]];
    wanted[product] = NUMBERS[coded.w[at]];
    reason[product] = reasons[at];
    kinds.add(raw.r[reasons[at]].kind);
    if (coded.e[at]) edited.set(product, coded.e[at]);
  });
  for (const product of places(coded.b)) standing[product] = NUMBERS.D;
  return {
    ...coded, management, desired, standing, wanted, reason, edited, kinds,
    differs: differing.length, unknown: coded.fault !== null,
    haystack: [coded.member, coded.account, coded.experience, management && management.id].join("\n").toLowerCase(),
  };
}

function decode(raw) {
  const signs = (all) => Object.fromEntries(all.map(([word, ...rest]) => [word, rest]));
  SIGNS = signs(raw.signs);
  STATES = signs(raw.states);
  return {
    made: raw.made, products: raw.p, names: raw.n, reasons: raw.r, management: raw.m,
    needles: raw.p.map((product, at) => `${product}\n${raw.n[at] ?? ""}`.toLowerCase()),
    links: raw.l.map((link) => decodeLink(link, raw)),
  };
}

/** A product on a member experience. */
function cellOf(data, product, link) {
  const of = data.links[link];
  if (of.unknown) {
    return { kind: "unknown", words: "not known", desired: STANDINGS[LETTERS[of.desired[product]]], fault: of.fault };
  }
  const standing = STANDINGS[LETTERS[of.standing[product]]] ?? "unknown";
  const desired = STANDINGS[LETTERS[of.desired[product]]] ?? "unknown";
  const place = of.reason[product];
  if (place < 0) return { kind: standing, words: standing, standing, desired };
  const reason = data.reasons[place];
  const wanted = LETTERS[of.wanted[product]] === "A" ? "allow" : "deny";
  return {
    kind: reason.kind, words: `${wanted}: ${SIGNS[reason.kind][1]}`, standing, desired, wanted, reason,
    edited: of.edited.get(product),
  };
}

/** The same for somebody who hears it. */
function spoken(cell) {
  if (cell.kind === "unknown") return "not known: the member cannot be looked at";
  if (!cell.reason) return `${cell.standing}, in sync`;
  const goal = cell.wanted === "allow" ? "allowed" : "denied";
  return `${cell.standing}, should be ${goal}: ${SIGNS[cell.kind][1]}${cell.edited ? ", edited outside" : ""}`;
}

/** What stands in a cell, and then the rest of it. */
function label(cell) {
  if (!cell.reason) return spoken(cell);
  return `${cell.words}, stands ${cell.standing}${cell.edited ? ", edited outside" : ""}`;
}

/** Where the links want a product: one word if they agree. */
function wantedBy(data, product, links) {
  const standings = new Set(links.map((link) => data.links[link].desired[product]));
  standings.delete(0);
  if (standings.size === 1) return STANDINGS[LETTERS[[...standings][0]]];
  return standings.size === 0 ? "not known" : "varies";
}

function number(of) {
  return of.toLocaleString("en");
}

function counted(of, noun) {
  return `${number(of)} ${noun}${of === 1 ? "" : "s"}`;
}

/** A word of a command, so that a shell takes it as it is. */
function shell(word) {
  return /^[\w.@:/*-]+$/.test(word) && word !== "*" ? word : `'${word.replaceAll("'", "'\\''")}'`;
}

const CSV_HEADER = [
  "member", "account", "experience", "product", "name", "standing", "desired", "state", "why", "since", "run", "change_set",
  "edited_since", "what_to_do",
];

/** A cell that a spreadsheet takes as text: what begins like a formula has an apostrophe before it. */
function csvCell(value) {
  let text = value ?? "";
  if (/^[=+\-@\t\r]/.test(text)) text = `'${text}`;
  return /[,;\t"\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/** What is shown, one line for each product on a member experience; a link that cannot be looked at has one line. As
 * `pmp-sync report --csv` writes it. */
function csvOf(data, { rows, columns, diff, why }) {
  const lines = [CSV_HEADER];
  const member = (link) => [link.member, link.account, link.experience ?? "*"];
  for (const at of columns) {
    const { fault } = data.links[at];
    if (fault) {
      const words = `${fault.code}: ${fault.message}`;
      lines.push([...member(data.links[at]), "", "", "", "", "not known", words, "", "", "", "", fault.remedy]);
    }
  }
  for (const product of rows) {
    for (const at of columns) {
      const link = data.links[at];
      if (link.unknown) continue;
      const cell = cellOf(data, product, at);
      const { reason } = cell;
      if (diff && (!reason || (why && reason.kind !== why))) continue;
      const goal = { allow: "allowed", deny: "denied" }[cell.wanted] ?? cell.desired;
      lines.push([
        ...member(link), data.products[product], data.names[product], cell.standing, goal,
        reason ? SIGNS[reason.kind][1] : "in sync", reason?.words, reason?.since, reason?.run, reason?.change_set,
        cell.edited, reason?.what_to_do,
      ]);
    }
  }
  return lines.map((cells) => `${cells.map(csvCell).join(",")}\r\n`).join("");
}

/** An element with a class and a text. */
function element(name, className, text) {
  const made = document.createElement(name);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

/** A text whose names, ids and options are not broken at their hyphens. */
function unbroken(text) {
  return text.split(/( )/).map((word) => (word.includes("-") && word.length <= 36 ? element("span", "nb", word) : word));
}
