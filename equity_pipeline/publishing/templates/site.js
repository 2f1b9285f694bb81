// Filters and sorting for tables that are whole without them. Nothing is fetched, stored or written anywhere.
(() => {
  const say = JSON.parse(document.getElementById("words").textContent);
  const make = (name, attributes, ...children) => {
    const element = Object.assign(document.createElement(name), attributes);
    element.append(...children);
    return element;
  };
  const text = (element) => (element ? element.textContent.replace(/\s+/g, " ").trim() : "");
  // What a cell says first; the small print under it is no part of its number.
  const value = (whole) => {
    const cell = whole.cloneNode(true);
    cell.querySelectorAll(".n").forEach((small) => small.remove());
    const found = text(cell).replace(/−/g, "-").replace(/,(?=\d{3})/g, "").match(/^[^\d+-]{0,6}([+-]?\d+(\.\d+)?)/);
    return found ? Number(found[1]) : text(cell).toLocaleLowerCase();
  };
  // A heading row of a group, and the rows under it.
  const groups = (body) => {
    const made = [{ heading: null, rows: [] }];
    for (const row of body.rows)
      if (row.classList.contains("gt_group_heading_row")) made.push({ heading: row, rows: [] });
      else made.at(-1).rows.push(row);
    return made;
  };
  const compare = (way) => (a, b) => {
    if (a.key === "" || b.key === "") return (a.key === "") - (b.key === "");
    const numbers = typeof a.key === "number" && typeof b.key === "number";
    return way * (numbers ? a.key - b.key : String(a.key).localeCompare(String(b.key)));
  };

  for (const box of document.querySelectorAll(".tracker, .tools, .sortable")) {
    const table = box.querySelector("table"), body = table.tBodies[0];
    const heads = [...table.tHead.querySelectorAll("th:not(.gt_column_spanner_outer)")];
    for (const head of heads) {
      if (/-trend$/.test(head.id)) continue;
      // A span, because Chromium leaves buttons out of the head that it repeats on each printed page.
      const button = make("span", { role: "button", tabIndex: 0, className: "sort" });
      button.append(...head.childNodes);
      button.title = say.sort.replace("{column}", text(button));
      head.append(button);
      button.addEventListener("keydown", (event) => {
        if (event.key !== "Enter" && event.key !== " ") return;
        event.preventDefault();
        button.click();
      });
      button.addEventListener("click", () => {
        const way = head.getAttribute("aria-sort") === "ascending" ? -1 : 1;
        heads.forEach((other) => other.removeAttribute("aria-sort"));
        // The head may have two rows: a column's place is where its head stands on the page.
        const place = [...heads].sort((a, b) => a.getBoundingClientRect().left - b.getBoundingClientRect().left).indexOf(head);
        head.setAttribute("aria-sort", way === 1 ? "ascending" : "descending");
        for (const group of groups(body)) {
          const keyed = group.rows.map((row) => ({ row, key: value(row.cells[place]) })).sort(compare(way));
          let last = group.heading;
          for (const { row } of keyed) {
            if (last) last.after(row);
            else body.prepend(row);
            last = row;
          }
        }
      });
    }

    const all = [...body.rows].filter((row) => !row.classList.contains("gt_group_heading_row"));
    if (all.length < 8) continue;
    const find = make("input", { type: "search", autocomplete: "off" });
    const select = (values) => make("select", {}, new Option(say.any, ""), ...values.map((v) => new Option(v, v)));
    const statuses = [...new Set(all.flatMap((row) => [...row.querySelectorAll(".status")].map(text)))];
    const status = select(statuses);
    const headings = groups(body).filter((group) => group.heading);
    const group = select(headings.map((g) => text(g.heading)));
    const count = make("output", {});
    const field = (label, control) => make("label", {}, make("span", { textContent: label }), control);
    const bar = make("div", { className: "filters" }, field(say.find, find));
    if (headings.length > 1) bar.append(field(say.group, group));
    if (statuses.length > 1) bar.append(field(say.status, status));
    bar.append(count);
    box.before(bar);
    const filter = () => {
      let shown = 0;
      const wanted = find.value.trim().toLocaleLowerCase();
      for (const { heading, rows } of groups(body)) {
        let here = 0;
        for (const row of rows) {
          const fits =
            (!wanted || text(row.cells[0]).toLocaleLowerCase().includes(wanted) || text(heading).toLocaleLowerCase().includes(wanted)) &&
            (!status.value || [...row.querySelectorAll(".status")].some((s) => text(s) === status.value)) &&
            (!group.value || text(heading) === group.value);
          row.hidden = !fits;
          here += fits;
        }
        if (heading) heading.hidden = !here;
        shown += here;
      }
      const filtered = shown < all.length;
      count.textContent = filtered ? say.shown.replace("{shown}", shown).replace("{all}", all.length) : "";
    };
    for (const control of [find, status, group]) control.addEventListener("input", filter);
  }

  // What is folded opens for who is led there, and for paper.
  const unfold = () => {
    const folded = document.getElementById(decodeURIComponent(location.hash.slice(1)))?.closest("details");
    if (folded) folded.open = true;
  };
  addEventListener("hashchange", unfold);
  unfold();
  addEventListener("beforeprint", () => document.querySelectorAll("details").forEach((folded) => (folded.open = true)));
})();
