// What the page does: filters that the address keeps, the theme, copying, and what is said of it.

const FILTERS = ["q", "m", "state", "why", "mode", "zoom"];
const by = (id) => document.getElementById(id);

/** The products and member experiences that are to be shown. */
function filtered(data, wanted) {
  const [product, member] = [wanted.q.trim().toLowerCase(), wanted.m.trim().toLowerCase()];
  const columns = [];
  data.links.forEach((link, at) => {
    const is = wanted.state === "stale" ? link.stale : !wanted.state || link.state === wanted.state;
    if (!is || (wanted.mode && link.mode !== wanted.mode)) return;
    if (member && !link.haystack.includes(member)) return;
    if (wanted.why && !link.kinds.has(wanted.why)) return;
    if (wanted.diff && !link.differs && !link.unknown) return;
    columns.push(at);
  });
  const rows = [];
  const links = columns.map((at) => data.links[at]);
  data.needles.forEach((id, at) => {
    if (product && !id.includes(product)) return;
    if (wanted.diff || wanted.why) {
      const counts = (link) => {
        const reason = link.reason[at];
        return reason >= 0 && (!wanted.why || data.reasons[reason].kind === wanted.why);
      };
      if (!links.some(counts)) return;
    }
    rows.push(at);
  });
  return { rows, columns };
}

class Report {
  constructor(data) {
    this.data = data;
    const panel = new Panel(by("panel"), data, (text) => this.say(text));
    this.grid = new Grid(by("grid"), data, (product, link, back) => {
      if (product >= 0 && link >= 0) panel.cell(product, link, back);
      else if (link >= 0) panel.link(link, back);
      else if (product >= 0) panel.product(product, this.grid.columns, back);
    });
    const members = data.links.map((link) => link.member);
    this.grid.twice = new Set(members.filter((member, at) => members.indexOf(member) !== at));
    by("unscripted").remove();
    for (const id of ["filters", "grid", "legend", "keys"]) by(id).hidden = false;
    this.legend();
    this.read();
    const form = by("filters");
    form.addEventListener("submit", (event) => event.preventDefault());
    form.addEventListener("input", () => this.changed());
    // A browser may tell of a choice by this alone. A text that is left is not made anew: a click on a cell
    // would miss it.
    form.addEventListener("change", (event) => event.target.matches("select") && this.changed());
    form.addEventListener("reset", () => setTimeout(() => this.changed()));
    for (const tile of document.querySelectorAll(".tile")) {
      tile.addEventListener("click", () => this.tile(tile.dataset.state));
    }
    by("csv").addEventListener("click", () => this.save());
    window.addEventListener("hashchange", () => {
      if (location.hash.includes("=")) {
        this.read();
        this.update();
      }
    });
    this.update();
  }

  get wanted() {
    const wanted = { diff: by("diff").checked };
    for (const id of FILTERS) wanted[id] = by(id).value;
    return wanted;
  }

  /** The filters as the address has them. */
  read() {
    const kept = new URLSearchParams(location.hash.slice(1));
    by("zoom").value = this.data.links.length > 10 ? "signs" : "words";
    for (const id of FILTERS) if (kept.has(id)) by(id).value = kept.get(id);
    if (kept.has("diff")) by("diff").checked = kept.get("diff") !== "0";
    for (const id of ["state", "why", "mode", "zoom"]) if (by(id).selectedIndex < 0) by(id).selectedIndex = 0;
  }

  keep() {
    const kept = new URLSearchParams();
    const wanted = this.wanted;
    for (const id of FILTERS) if (wanted[id] && id !== "zoom") kept.set(id, wanted[id]);
    if (this.zoomed) kept.set("zoom", wanted.zoom);
    if (!wanted.diff) kept.set("diff", "0");
    const text = kept.toString();
    history.replaceState(null, "", text ? `#${text}` : location.pathname + location.search);
  }

  changed() {
    this.zoomed = true;
    this.update();
    this.keep();
  }

  tile(state) {
    const chosen = by("state").value === state ? "" : state;
    by("state").value = chosen;
    // What is in sync does not differ.
    by("diff").checked = chosen !== "in_sync";
    this.changed();
    by("matrix").scrollIntoView({ block: "start" });
  }

  update() {
    const wanted = this.wanted;
    const { rows, columns } = filtered(this.data, wanted);
    const empty = rows.length === 0 || columns.length === 0;
    by("grid").hidden = empty;
    by("nothing").hidden = !empty;
    const { products, links } = this.data;
    const text = `${number(rows.length)} of ${counted(products.length, "product")} × ${number(columns.length)} of ${counted(links.length, "member experience")}`;
    by("shown").textContent = text;
    by("nothing").textContent = this.why(wanted, columns);
    for (const tile of document.querySelectorAll(".tile")) {
      tile.setAttribute("aria-pressed", String(tile.dataset.state === wanted.state));
    }
    this.seen = { rows, columns, diff: wanted.diff || Boolean(wanted.why), why: wanted.why };
    by("csv").disabled = empty;
    if (!empty) this.grid.show(rows, columns, wanted.zoom);
    this.say(empty ? by("nothing").textContent : text);
  }

  /** A file of what is shown, made here: no server is asked. */
  save() {
    const link = element("a");
    link.href = URL.createObjectURL(new Blob([csvOf(this.data, this.seen)], { type: "text/csv" }));
    link.download = `${document.title.split(":")[0].replaceAll(/[^\w-]/g, "_")}-${this.data.made.slice(0, 10)}.csv`;
    link.click();
    // The browser has its own hold on it by then.
    setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
    this.say(`Saved as ${link.download}`);
  }

  /** Why there is nothing to be seen. */
  why(wanted, columns) {
    if (!wanted.diff) return "No product and member is like that.";
    const unknown = columns.filter((at) => this.data.links[at].unknown).length;
    if (unknown > 0) return `Nothing that is known differs; ${counted(unknown, "member experience")} cannot be looked at.`;
    return "Nothing like that differs. Without “Only what differs”, everything is shown.";
  }

  /** To somebody who does not see it; the last of what comes at once. */
  say(text) {
    clearTimeout(this.saying);
    this.saying = setTimeout(() => (by("said").textContent = text), 250);
  }

  legend() {
    for (const [kind, [sign, words]] of Object.entries(SIGNS)) {
      const item = element("li");
      item.append(element("span", `cell k-${kind}`, sign), ` ${words}`);
      by("legend").append(item);
    }
    by("legend").append(element("li", "", "+ is to be allowed, − is to be denied"));
  }
}

/** The theme of the system, or the one that was chosen. */
function theme() {
  const button = by("theme");
  const root = document.documentElement;
  const dark = () => {
    const chosen = root.dataset.theme;
    return chosen ? chosen === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  };
  // What a click does.
  const show = () => (button.textContent = dark() ? "Light colours" : "Dark colours");
  // A browser may keep nothing of a local file.
  try {
    const kept = localStorage.getItem("pmp-sync-theme");
    if (kept === "dark" || kept === "light") root.dataset.theme = kept;
  } catch {}
  button.hidden = false;
  button.addEventListener("click", () => {
    root.dataset.theme = dark() ? "light" : "dark";
    try {
      localStorage.setItem("pmp-sync-theme", root.dataset.theme);
    } catch {}
    show();
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", show);
  show();
}

/** Puts a command on the clipboard, or marks it where that is not allowed. */
async function copy(button, say) {
  const code = button.parentElement.querySelector("code");
  let words = "Copied";
  try {
    await navigator.clipboard.writeText(code.textContent);
  } catch {
    getSelection().selectAllChildren(code);
    words = "Marked";
  }
  button.textContent = words;
  say(`${words}: ${code.textContent}`);
  setTimeout(() => (button.textContent = "Copy"), 2000);
}

/** What is folded is printed too. */
function unfold() {
  let folded = [];
  addEventListener("beforeprint", () => {
    folded = [...document.querySelectorAll("details:not([open])")];
    for (const one of folded) one.open = true;
  });
  addEventListener("afterprint", () => {
    for (const one of folded) one.open = false;
  });
}

function start() {
  theme();
  unfold();
  const report = new Report(decode(JSON.parse(by("data").textContent)));
  for (const button of document.querySelectorAll(".copy")) button.hidden = false;
  document.addEventListener("click", (event) => {
    const button = event.target.closest(".copy");
    if (button) copy(button, (text) => report.say(text));
    // The address keeps the filters; a section is shown without it.
    const link = event.target.closest('a[href^="#"]');
    if (link) {
      event.preventDefault();
      const section = document.querySelector(link.getAttribute("href"));
      section.tabIndex = -1;
      section.scrollIntoView();
      section.focus({ preventScroll: true });
    }
  });
  performance.mark("pmp-sync-usable");
  document.documentElement.dataset.usable = "true";
}

start();
