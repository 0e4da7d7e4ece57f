// Aliases: names for versions, with a share of the requests for a second one.

import * as api from "./api.js";
import { h, replace } from "./dom.js";
import { card, failure, field, onSubmit, outcome, table } from "./parts.js";

export function aliases(name, live, signal) {
  const list = h("div");
  const state = { found: [] };
  const editor = edit(name, state, () => load());
  const load = async () => {
    state.found = await api.listAliases(name, signal);
    replace(list, table(`Aliases of ${name}`, ["Alias", "Version", "Second version", "Description", "Change"], state.found.map((a) => row(a, editor)), "None yet."));
    editor.suggest();
  };
  load().catch((error) => replace(list, failure(error)));
  live.listen((view) => editor.offer(view.versions.map((v) => v.version)));
  return card("Aliases", list, editor.form);
}

function row(alias, editor) {
  const [[number, weight] = []] = Object.entries(alias.RoutingConfig?.AdditionalVersionWeights ?? {});
  const move = h("button", { type: "button", "aria-label": `Move ${alias.Name}`, data: { key: alias.Name }, onclick: () => editor.fill(alias) }, "Move");
  return [alias.Name, alias.FunctionVersion, number ? `${number}, ${percent(weight)} % of the requests` : "–", alias.Description, move];
}

const percent = (share) => Number((share * 100).toFixed(2));

function edit(name, state, reload) {
  const names = h("datalist", { id: "alias-names" });
  const alias = h("input", { required: true, list: names.id, pattern: "[A-Za-z0-9_\\-]*[A-Za-z_\\-][A-Za-z0-9_\\-]*", maxlength: "128", autocomplete: "off", spellcheck: "false" });
  const version = h("select", { required: true });
  const second = h("select");
  const weight = h("input", { type: "number", min: "0", max: "100", step: "any", value: "10" });
  const result = outcome();
  const form = h(
    "form",
    { class: "below" },
    h("h3", {}, "Create or move an alias"),
    h(
      "div",
      { class: "row end" },
      field("Name", alias),
      field("Version", version),
      field("Second version", second),
      field("Its share", weight, { unit: "%" }),
      h("button", { type: "submit" }, "Save alias"),
    ),
    names,
    result.place,
  );
  second.addEventListener("change", () => (weight.disabled = !second.value));
  weight.disabled = true;
  onSubmit(form, result, async () => {
    const known = state.found.find((a) => a.Name === alias.value);
    const weights = second.value ? { [second.value]: Number(weight.value) / 100 } : {};
    const wanted = { FunctionVersion: version.value, RoutingConfig: { AdditionalVersionWeights: weights } };
    if (known) await api.updateAlias(name, known.Name, { ...wanted, RevisionId: known.RevisionId });
    else await api.createAlias(name, { ...wanted, Name: alias.value });
    await reload();
    result.say(known ? `${alias.value} was moved.` : `${alias.value} was created.`);
  });
  return {
    form,
    suggest: () => names.replaceChildren(...state.found.map((a) => h("option", { value: a.Name }))),
    offer(numbers) {
      options(version, [...numbers, "$LATEST"]);
      options(second, numbers, h("option", { value: "" }, "None"));
    },
    fill(chosen) {
      const [[number = "", share = 0.1] = []] = Object.entries(chosen.RoutingConfig?.AdditionalVersionWeights ?? {});
      [alias.value, version.value, second.value, weight.value] = [chosen.Name, chosen.FunctionVersion, number, percent(share)];
      weight.disabled = !number;
      version.focus();
    },
  };
}

/** Offers numbers; what is chosen stays chosen. */
function options(select, numbers, ...first) {
  const wanted = [...first.map(() => ""), ...numbers].join();
  if (select.dataset.offered === wanted) return;
  const chosen = select.value;
  select.dataset.offered = wanted;
  select.replaceChildren(...first, ...numbers.map((number) => h("option", { value: number }, number)));
  if (numbers.includes(chosen)) select.value = chosen;
}
