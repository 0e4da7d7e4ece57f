// Pieces that the pages share: badges, tables, fields, and how an error is told.

import { h, unique } from "./dom.js";
import { ago } from "./format.js";

const STATES = { Active: "●", Succeeded: "✓", Ready: "●", Pending: "◔", Creating: "◔", Inactive: "○", Deleting: "○", Failed: "✕", Quarantined: "✕" };
const STARTS = { restore: "❄", slot: "❄", standby: "❄", cold: "◇", warm: "●" };

/** A state in a word, with a mark and a colour that only repeat it. */
export function badge(word, marks = STATES) {
  return h("span", { class: "badge", data: { word } }, h("span", { "aria-hidden": "true" }, marks[word] ?? "·"), ` ${word}`);
}

/** How an instance was started. */
export const startBadge = (kind) => badge(kind, STARTS);

/** A point in time, as long as it is ago. */
export function since(time) {
  return time ? h("time", { datetime: time, title: new Date(time).toLocaleString() }, ago(time)) : "–";
}

/** A table that scrolls by itself where it is too wide. `columns` are words, numbers' with a leading #. */
export function table(caption, columns, rows, empty = "None yet.") {
  if (rows.length === 0) return h("p", { class: "quiet" }, empty);
  const isNumber = columns.map((column) => column.startsWith("#"));
  const cell = (content, i) => {
    const heads = i === 0;
    return h(heads ? "th" : "td", { scope: heads ? "row" : null, class: isNumber[i] ? "number" : null }, content);
  };
  const head = columns.map((column, i) => h("th", { scope: "col", class: isNumber[i] ? "number" : null }, column.replace("#", "")));
  return h(
    "div",
    { class: "scroll", role: "region", tabindex: "0", "aria-label": caption },
    h(
      "table",
      {},
      h("caption", { class: "hidden" }, caption),
      h("thead", {}, h("tr", {}, head)),
      h("tbody", {}, rows.map((row) => h("tr", {}, row.map(cell)))),
    ),
  );
}

/** A labelled input. `hint` is read with it; `unit` stands behind it. */
export function field(label, input, { hint, unit } = {}) {
  input.id ||= unique("field");
  const about = hint ? h("p", { class: "hint", id: unique("hint") }, hint) : null;
  if (about) input.setAttribute("aria-describedby", about.id);
  const control = unit ? h("span", { class: "with-unit" }, input, h("span", { class: "unit" }, unit)) : input;
  return h("div", { class: "field" }, h("label", { for: input.id }, label), control, about);
}

/** A group of choices of which one holds. `options` are {value, label, hint}. */
export function choice(legend, name, options, chosen) {
  const one = ({ value, label, hint }) => {
    const id = unique(name);
    const about = h("span", { class: "hint", id: `${id}-hint` }, hint);
    const input = h("input", { type: "radio", name, value, id, checked: value === chosen, "aria-describedby": about.id });
    return h("div", { class: "choice" }, input, h("div", {}, h("label", { for: id }, label), about));
  };
  return h("fieldset", {}, h("legend", {}, legend), options.map(one));
}

/** Where a form says how it went: read out, and seen. */
export function outcome() {
  const place = h("div", { class: "outcome", role: "status" });
  return {
    place,
    say: (...content) => show(place, "good", content),
    busy: (...content) => show(place, "busy", content),
    fail: (error) => show(place, "bad", explained(error)),
    clear: () => place.replaceChildren(),
  };
}

function show(place, kind, content) {
  place.replaceChildren(h("div", { class: `notice ${kind}` }, content));
}

function explained(error) {
  return [error.type ? h("strong", {}, error.type, ": ") : null, error.message];
}

/** An error in the place of what could not be had. */
export function failure(error) {
  return h("div", { class: "notice bad", role: "alert" }, explained(error));
}

/** A part of a page with a heading. */
export function card(title, ...content) {
  const id = unique("card");
  return h("section", { class: "card", "aria-labelledby": id }, h("h2", { id }, title), content);
}

/** Runs a form's work once at a time: its buttons rest meanwhile, and its outcome says what failed. */
export function onSubmit(form, result, work) {
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (form.getAttribute("aria-busy") === "true") return;
    form.setAttribute("aria-busy", "true");
    try {
      await work();
    } catch (error) {
      result.fail(error);
    } finally {
      form.removeAttribute("aria-busy");
    }
  });
}
