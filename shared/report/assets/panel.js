// The panel beside the matrix: one cell, one product or one member, in full.

class Panel {
  constructor(root, data, say) {
    this.root = root;
    this.data = data;
    this.say = say;
    this.back = null;
    document.addEventListener("keydown", (event) => {
      if (event.key === "Escape" && !root.hidden) {
        event.preventDefault();
        this.close();
      }
    });
  }

  close() {
    this.root.hidden = true;
    const back = this.back;
    this.back = null;
    if (back) back();
  }

  /** Shows what `fill` puts in. `back` gives the focus back. */
  open(title, back, fill) {
    const bar = element("div", "bar");
    const heading = element("h2", "", title);
    heading.id = "panel-title";
    heading.tabIndex = -1;
    const close = element("button", "quiet", "Close");
    close.type = "button";
    close.addEventListener("click", () => this.close());
    bar.append(heading, close);
    this.root.replaceChildren(bar);
    fill();
    this.root.hidden = false;
    this.root.scrollTop = 0;
    this.back = back;
    heading.focus();
  }

  verdict(kind, words) {
    const line = element("p", `verdict cell k-${kind}`);
    line.append(element("span", "glyph", SIGNS[kind][0]), element("span", "", words));
    this.root.append(line);
  }

  facts(pairs) {
    const list = element("dl");
    for (const [name, value] of pairs) {
      if (value === undefined || value === null || value === "") continue;
      list.append(element("dt", "", name), element("dd", "", String(value)));
    }
    this.root.append(list);
  }

  tell(heading, text) {
    if (!text) return;
    const words = element("p", heading === "What to do" ? "todo" : "");
    words.append(...unbroken(text));
    this.root.append(element("h3", "", heading), words);
  }

  command(heading, text) {
    if (!text) return;
    const line = element("div", "command");
    const copy = element("button", "copy", "Copy");
    copy.type = "button";
    const code = element("code");
    code.append(...unbroken(text));
    line.append(code, copy);
    this.root.append(element("h3", "", heading), line);
  }

  time(text) {
    return text ? `${text.slice(0, 19).replace("T", " ")} UTC` : null;
  }

  member(link) {
    return [
      ["Member", link.member],
      ["Account", link.account],
      ["Experience", link.experience ?? "*"],
      ["Follows", link.management ? link.management.id : null],
      ["Mode", link.mode],
    ];
  }

  cell(product, at, back) {
    const link = this.data.links[at];
    const id = this.data.products[product];
    const cell = cellOf(this.data, product, at);
    this.open(this.data.names[product] ?? id, back, () => {
      this.verdict(cell.kind, spoken(cell));
      this.facts([["Product", id], ["Desired", cell.desired], ["Stands", cell.standing], ["To be done", cell.wanted], ...this.member(link)]);
      const reason = cell.reason;
      if (cell.fault) {
        this.tell("Why", `${cell.fault.code}: ${cell.fault.message}`);
        this.tell("What to do", cell.fault.remedy);
      }
      if (reason) {
        this.tell("Why", reason.words);
        this.root.append(element("h3", "", "When"));
        this.facts([
          ["Since", this.time(reason.since) ?? "not known"],
          ["Run", reason.run],
          ["Change set", reason.change_set],
          ["Edited outside", this.time(cell.edited)],
        ]);
        this.tell("What to do", reason.what_to_do);
        this.command("Command", reason.command);
      }
      this.command("Ask again", `pmp-sync why ${shell(id)} --member ${shell(link.member)}`);
    });
  }

  link(at, back) {
    const link = this.data.links[at];
    const title = link.experience ? `${link.member} ${link.experience}` : link.member;
    this.open(title, back, () => {
      this.facts([
        ["State", STATES[link.state][1] + (link.stale ? ", stale" : "")],
        ...this.member(link),
        ["Differ", link.unknown ? "not known" : number(link.differs)],
        ["Open changes", number(link.open)],
        ["Quarantined", number(link.quarantined)],
        ["Dead letters", link.letters === null ? "not known" : number(link.letters)],
        ["Last in sync", this.time(link.step) ?? "never"],
        ["Frozen since", this.time(link.frozen)],
      ]);
      if (link.fault) {
        this.tell("Why it cannot be looked at", `${link.fault.code}: ${link.fault.message}`);
        this.tell("What to do", link.fault.remedy);
      }
      this.command("Ask again", `pmp-sync plan --member ${shell(link.member)}`);
    });
  }

  product(product, links, back) {
    const id = this.data.products[product];
    const counts = new Map();
    for (const at of links) {
      const { kind } = cellOf(this.data, product, at);
      counts.set(kind, (counts.get(kind) ?? 0) + 1);
    }
    this.open(this.data.names[product] ?? id, back, () => {
      this.facts([["Product", id], ["Desired", wantedBy(this.data, product, links)]]);
      this.root.append(element("h3", "", "On the member experiences shown"));
      this.facts([...counts].map(([kind, count]) => [`${SIGNS[kind][0]} ${SIGNS[kind][1]}`, number(count)]));
      this.command("Ask again", `pmp-sync why ${shell(id)}`);
    });
  }
}
