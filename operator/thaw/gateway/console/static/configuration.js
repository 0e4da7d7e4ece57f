// The function's configuration, what Lambda calls $LATEST's.

import * as api from "./api.js";
import { h, unique } from "./dom.js";
import { card, choice, field, onSubmit, outcome } from "./parts.js";

const SNAP_START = [
  { value: "None", label: "None", hint: "Every cold start runs the initialisation." },
  {
    value: "PublishedVersions",
    label: "Published versions",
    hint: "Publishing a version initialises it once; every later cold start restores that snapshot.",
  },
];

export function configuration({ name, shown }) {
  const place = h("div");
  const load = (values, message) => place.replaceChildren(form(name, values, load, message));
  load(shown);
  return place;
}

function form(name, shown, load, message) {
  const description = h("input", { value: shown.Description, maxlength: "256", autocomplete: "off" });
  const memory = h("input", { type: "number", value: shown.MemorySize, min: "64", step: "1", required: true });
  const timeout = h("input", { type: "number", value: shown.Timeout, min: "1", max: "900", step: "1", required: true });
  const variables = environment(shown.Environment?.Variables ?? {});
  const snapStart = choice("SnapStart", "snap-start", SNAP_START, shown.SnapStart.ApplyOn);
  const result = outcome();
  if (message) result.say(message);
  const made = h(
    "form",
    {},
    card(
      "Configuration",
      field("Description", description),
      h(
        "div",
        { class: "row even" },
        field("Memory", memory, { unit: "MB" }),
        field("Timeout", timeout, { unit: "seconds", hint: "1 to 900" }),
      ),
      variables.place,
      snapStart,
      h("div", { class: "actions" }, h("button", { type: "submit", class: "primary" }, "Save"), result.place),
    ),
  );
  onSubmit(made, result, async () => {
    result.busy("Saving …");
    try {
      const saved = await api.updateConfiguration(name, {
        Description: description.value,
        MemorySize: Number(memory.value),
        Timeout: Number(timeout.value),
        Environment: { Variables: variables.read() },
        SnapStart: { ApplyOn: new FormData(made).get("snap-start") },
        RevisionId: shown.RevisionId,
      });
      shown = saved;
      result.say("Saved. ", next(name, saved));
    } catch (error) {
      if (error.status !== 412) throw error;
      changed(name, result, load);
    }
  });
  return made;
}

function next(name, saved) {
  const gains = saved.SnapStart.ApplyOn === "PublishedVersions" ? "Publish a version to get a snapshot of it" : "Versions published before stay as they are";
  return h("a", { href: `#/functions/${name}/versions` }, gains);
}

function changed(name, result, load) {
  const again = async () => load(await api.configuration(name), "These are the values as they are now.");
  result.fail({
    type: "PreconditionFailedException",
    message: h(
      "span",
      {},
      "Somebody else has changed the function since you opened this page; nothing was saved. ",
      h("button", { type: "button", onclick: () => again().catch(result.fail) }, "Show their values"),
    ),
  });
}

function environment(variables) {
  const rows = h("ul", { class: "variables", "aria-label": "Environment variables" });
  const add = (key = "", value = "") => {
    const id = unique("variable");
    const names = h("input", { value: key, "aria-label": "Name", id, autocomplete: "off", spellcheck: "false" });
    const values = h("input", { value, "aria-label": "Value", autocomplete: "off", spellcheck: "false" });
    const remove = h("button", { type: "button", "aria-label": `Remove ${key || "variable"}` }, "Remove");
    const item = h("li", {}, names, values, remove);
    names.addEventListener("input", () => remove.setAttribute("aria-label", `Remove ${names.value || "variable"}`));
    remove.addEventListener("click", () => {
      item.remove();
      more.focus();
    });
    rows.append(item);
    return names;
  };
  const more = h("button", { type: "button", onclick: () => add().focus() }, "Add a variable");
  for (const [key, value] of Object.entries(variables)) add(key, value);
  return {
    place: h("fieldset", {}, h("legend", {}, "Environment"), rows, more),
    read() {
      const found = {};
      for (const item of rows.children) {
        const [key, value] = item.querySelectorAll("input");
        if (!key.value && !value.value) continue;
        if (!key.value || key.value in found) {
          key.focus();
          throw new Error(key.value ? `Environment: ${key.value} is there twice.` : "Environment: a variable has no name.");
        }
        found[key.value] = value.value;
      }
      return found;
    },
  };
}
