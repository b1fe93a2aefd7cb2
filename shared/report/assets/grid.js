// The matrix: a grid of which only what is seen is in the document, however large it is.

const SIZES = {
  words: { row: 27, column: 164, top: 62, side: 330 },
  signs: { row: 24, column: 30, top: 148, side: 330 },
  dense: { row: 14, column: 14, top: 124, side: 250 },
};
/** Below this width of the products, only their names are shown. */
const NARROW = 240;
/** Rows and columns beside those that are seen. */
const BESIDE = 3;

class Grid {
  /** `open(row, column, back)` is told what was chosen: -1 is the header. */
  constructor(root, data, open) {
    this.root = root;
    this.data = data;
    this.open = open;
    this.rows = [];
    this.columns = [];
    this.active = { row: 0, column: 0 };
    this.zoom = "signs";
    this.top = element("div", "top");
    this.body = element("div", "body");
    for (const group of [this.top, this.body]) group.setAttribute("role", "rowgroup");
    root.append(this.top, this.body);
    root.addEventListener("scroll", () => this.later(), { passive: true });
    root.addEventListener("keydown", (event) => this.key(event));
    root.addEventListener("click", (event) => this.click(event));
    new ResizeObserver(() => this.later()).observe(root);
  }

  get size() {
    const size = SIZES[this.zoom];
    const { clientWidth } = this.root;
    const least = Math.min(size.side, Math.max(140, Math.floor(clientWidth * 0.5)));
    // The products' names get the room that the members leave.
    const spare = clientWidth - this.columns.length * size.column;
    return { ...size, side: Math.max(least, Math.min(spare, 2 * size.side)) };
  }

  show(rows, columns, zoom) {
    this.rows = rows;
    this.columns = columns;
    this.zoom = zoom;
    this.root.className = `grid ${zoom}`;
    this.root.setAttribute("aria-rowcount", rows.length + 1);
    this.root.setAttribute("aria-colcount", columns.length + 1);
    this.active.row = Math.min(Math.max(this.active.row, -1), rows.length - 1);
    this.active.column = Math.min(Math.max(this.active.column, -1), columns.length - 1);
    const { row, top } = this.size;
    this.root.style.height = `${top + rows.length * row + 20}px`;
    this.draw(true);
  }

  later() {
    if (this.waiting) return;
    this.waiting = true;
    requestAnimationFrame(() => {
      this.waiting = false;
      this.draw(false);
    });
  }

  /** The places that are seen, and the active one. */
  seen(scrolled, shown, each, count, active) {
    const first = Math.max(0, Math.floor(scrolled / each) - BESIDE);
    const last = Math.min(count, Math.ceil((scrolled + shown) / each) + BESIDE);
    const all = [];
    if (active >= 0 && active < first) all.push(active);
    for (let at = first; at < last; at++) all.push(at);
    if (active >= last && active < count) all.push(active);
    return all;
  }

  draw(anew) {
    if (this.root.hidden) return;
    const { row, column, top, side } = this.size;
    const { scrollTop, scrollLeft, clientWidth, clientHeight } = this.root;
    const rows = this.seen(scrollTop, clientHeight - top, row, this.rows.length, this.active.row);
    const columns = this.seen(scrollLeft, clientWidth - side, column, this.columns.length, this.active.column);
    const range = `${columns[0]} ${columns.at(-1)} ${columns.length} ${side}`;
    const had = this.root.contains(document.activeElement) && document.activeElement !== this.root;
    if (anew || range !== this.range) {
      this.range = range;
      this.root.classList.toggle("narrow", side < NARROW);
      const width = side + this.columns.length * column;
      this.top.style.width = this.body.style.width = `${width}px`;
      this.body.style.height = `${this.rows.length * row}px`;
      this.top.replaceChildren(this.header(columns));
      this.body.replaceChildren();
      this.drawn = new Map();
    }
    const wanted = new Set(rows);
    for (const [at, drawn] of this.drawn) {
      if (!wanted.has(at)) {
        drawn.remove();
        this.drawn.delete(at);
      }
    }
    let next = this.body.firstChild;
    for (const at of rows) {
      const drawn = this.drawn.get(at);
      if (drawn) {
        next = drawn.nextSibling;
      } else {
        const made = this.row(at, columns);
        this.drawn.set(at, made);
        this.body.insertBefore(made, next);
      }
    }
    this.mark();
    // What had the focus may have been made anew.
    if (had && !this.root.contains(document.activeElement)) this.at(this.active)?.focus({ preventScroll: true });
  }

  place(made, role, row, column) {
    made.setAttribute("role", role);
    made.setAttribute("aria-colindex", column + 2);
    made.dataset.row = row;
    made.dataset.column = column;
    made.tabIndex = -1;
    return made;
  }

  header(columns) {
    const { column, top, side } = this.size;
    const row = element("div", "row");
    row.setAttribute("role", "row");
    row.setAttribute("aria-rowindex", 1);
    row.style.height = `${top}px`;
    const corner = this.place(element("div", "side", "Product"), "columnheader", -1, -1);
    corner.style.width = `${side}px`;
    row.append(corner);
    for (const at of columns) {
      const link = this.data.links[this.columns[at]];
      const name = this.place(element("div", `name s-${link.state}`), "columnheader", -1, at);
      name.style.left = `${side + at * column}px`;
      name.style.width = `${column}px`;
      name.style.height = `${top}px`;
      const twice = this.twice.has(link.member);
      name.append(element("b", "", twice ? `${link.member} ${link.experience ?? "*"}` : link.member));
      const state = STATES[link.state][1] + (link.stale ? ", stale" : "");
      const sign = STATES[link.state][0];
      name.append(element("span", "", this.zoom === "words" ? `${sign} ${state}` : sign));
      name.title = `${link.member} ${link.experience ?? "*"}: ${state}`;
      name.setAttribute("aria-label", `${link.member}, ${state}`);
      row.append(name);
    }
    return row;
  }

  row(at, columns) {
    const { row, column, side } = this.size;
    const product = this.rows[at];
    const made = element("div", "row");
    made.setAttribute("role", "row");
    made.setAttribute("aria-rowindex", at + 2);
    made.style.top = `${at * row}px`;
    made.style.height = `${row}px`;
    made.style.width = "100%";
    const head = this.place(element("div", "side"), "rowheader", at, -1);
    head.style.width = `${side}px`;
    const id = this.data.products[product];
    const name = this.data.names[product];
    // The id is beside the name, so that both can be searched for and copied.
    if (name) head.append(element("b", "", name));
    head.append(element("code", "", id), element("span", "", wantedBy(this.data, product, this.columns)));
    head.title = name ? `${name} (${id})` : id;
    made.append(head);
    for (const place of columns) {
      const cell = cellOf(this.data, product, this.columns[place]);
      const drawn = this.place(element("div", `cell k-${cell.kind}`), "gridcell", at, place);
      drawn.style.left = `${side + place * column}px`;
      drawn.style.width = `${column}px`;
      drawn.style.height = `${row}px`;
      const sign = SIGNS[cell.kind][0];
      if (this.zoom === "words") {
        drawn.append(element("span", "glyph", sign), element("span", "", cell.words));
      } else {
        const action = { allow: "+", deny: "−" }[cell.wanted] ?? "";
        drawn.textContent = this.zoom === "dense" ? sign : action + sign;
      }
      drawn.setAttribute("aria-label", label(cell));
      made.append(drawn);
    }
    return made;
  }

  at({ row, column }) {
    return this.root.querySelector(`[data-row="${row}"][data-column="${column}"]`);
  }

  /** Only the active one is reached with Tab. */
  mark() {
    const active = this.at(this.active);
    if (this.marked && this.marked !== active) this.marked.tabIndex = -1;
    if (active) active.tabIndex = 0;
    this.marked = active;
  }

  focus() {
    this.reveal();
    this.draw(false);
    this.at(this.active)?.focus({ preventScroll: true });
  }

  /** Scrolls as far as it takes to see the active one. */
  reveal() {
    const { row, column, top, side } = this.size;
    const { clientWidth, clientHeight } = this.root;
    const into = (scrolled, shown, begin, length) => {
      if (begin < scrolled) return begin;
      return begin + length > scrolled + shown ? begin + length - shown : scrolled;
    };
    if (this.active.row >= 0) {
      this.root.scrollTop = into(this.root.scrollTop, clientHeight - top, this.active.row * row, row);
    }
    if (this.active.column >= 0) {
      this.root.scrollLeft = into(this.root.scrollLeft, clientWidth - side, this.active.column * column, column);
    }
  }

  key(event) {
    const { row, column } = this.active;
    const page = Math.max(1, Math.floor((this.root.clientHeight - this.size.top) / this.size.row) - 1);
    const [lastRow, lastColumn] = [this.rows.length - 1, this.columns.length - 1];
    const far = event.ctrlKey || event.metaKey;
    const to = {
      ArrowUp: [row - 1, column], ArrowDown: [row + 1, column],
      ArrowLeft: [row, column - 1], ArrowRight: [row, column + 1],
      Home: [far ? 0 : row, 0], End: [far ? lastRow : row, lastColumn],
      PageUp: [row - page, column], PageDown: [row + page, column],
    }[event.key];
    if (to) {
      event.preventDefault();
      // A page up does not end in the header.
      const least = event.key === "PageUp" ? Math.min(0, row) : -1;
      this.active.row = Math.min(Math.max(to[0], least), lastRow);
      this.active.column = Math.min(Math.max(to[1], -1), lastColumn);
      this.focus();
    } else if (event.key === "Enter" || event.key === " ") {
      event.preventDefault();
      this.choose();
    }
  }

  click(event) {
    const on = event.target.closest("[data-row]");
    if (!on) return;
    this.active = { row: Number(on.dataset.row), column: Number(on.dataset.column) };
    this.focus();
    this.choose();
  }

  choose() {
    const { row, column } = this.active;
    this.open(row < 0 ? -1 : this.rows[row], column < 0 ? -1 : this.columns[column], () => this.focus());
  }
}
