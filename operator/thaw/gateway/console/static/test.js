// Invoking the function: a payload, which version, and all that came of it.

import * as api from "./api.js";
import { announce, h, unique } from "./dom.js";
import { ms } from "./format.js";
import { badge, card, field, onSubmit, outcome, startBadge } from "./parts.js";
import * as session from "./session.js";

export async function test({ name, live, signal, query }) {
  const aliases = await api.listAliases(name, signal);
  const plain = h("div");
  const wanted = query.get("qualifier");
  const qualifier = h("select");
  live.listen((view) => {
    offer(qualifier, view, aliases, wanted);
    if (view.protocol === "http") plain.replaceChildren(overHttp(name));
  });
  const payload = h("textarea", { rows: "8", spellcheck: "false", autocomplete: "off", value: "{}", class: "code" });
  const check = checked(payload);
  const result = outcome();
  const answer = h("div");
  const form = h(
    "form",
    {},
    card(
      "Test",
      plain,
      field("Version or alias", qualifier),
      field("Payload", payload, { hint: "JSON. Ctrl+Enter sends it." }),
      check.place,
      h("div", { class: "actions" }, h("button", { type: "submit", class: "primary" }, "Test"), result.place),
    ),
  );
  payload.setAttribute("aria-describedby", `${payload.getAttribute("aria-describedby")} ${check.place.id}`);
  payload.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) form.requestSubmit();
  });
  onSubmit(form, result, async () => {
    if (!check.ok()) {
      payload.focus();
      return;
    }
    result.busy("Invoking …");
    const came = await api.invoke(name, qualifier.value, payload.value.trim() || "{}");
    result.clear();
    answer.replaceChildren(shown(came));
    announce(`${came.error ? "The function failed" : "The function answered"}, start ${came.start}, in ${ms(came.roundTripMs)}.`);
  });
  return [form, answer];
}

function overHttp(name) {
  const path = `/${session.namespace()}/${name}/`;
  return h("p", { class: "notice" }, "This function speaks plain HTTP: it is called at ", h("code", {}, path), " of the gateway, not by Invoke.");
}

function offer(select, view, aliases, wanted) {
  const numbers = view.versions.map((v) => v.version);
  const offered = ["$LATEST", ...numbers].join();
  if (select.dataset.offered === offered) return;
  const chosen = select.value || wanted || numbers[0] || "$LATEST";
  select.dataset.offered = offered;
  const options = (values) => values.map((value) => h("option", { value }, value));
  select.replaceChildren(
    ...options(["$LATEST"]),
    ...(numbers.length ? [h("optgroup", { label: "Versions" }, options(numbers))] : []),
    ...(aliases.length ? [h("optgroup", { label: "Aliases" }, options(aliases.map((a) => a.Name)))] : []),
  );
  select.value = chosen;
  if (!select.value) select.value = "$LATEST";
}

/** Says at once what is wrong with JSON, in its place. */
function checked(input) {
  const place = h("p", { class: "invalid", id: unique("invalid") });
  const ok = () => {
    let problem = "";
    try {
      JSON.parse(input.value.trim() || "{}");
    } catch (error) {
      problem = `This is not JSON: ${error.message}`;
    }
    place.textContent = problem;
    input.setAttribute("aria-invalid", String(Boolean(problem)));
    return !problem;
  };
  input.addEventListener("input", ok);
  return { place, ok };
}

function shown(came) {
  const report = /\tDuration: ([\d.]+) ms/.exec(came.log);
  const facts = [
    ["Result", came.error ? [badge("Failed"), ` ${came.error}`] : badge("Succeeded")],
    ["Start", startBadge(came.start)],
    ["Restore", came.restoreMs ? ms(came.restoreMs) : "–"],
    ["Duration in the function", report ? ms(Number(report[1])) : "–"],
    ["Until the answer", ms(came.roundTripMs)],
    ["Version", came.version],
  ];
  if (came.fallback) facts.push(["Why not restored", came.fallback]);
  return card(
    "Answer",
    h("dl", { class: "facts-list" }, facts.map(([term, value]) => h("div", {}, h("dt", {}, term), h("dd", {}, value)))),
    h("h3", {}, "Payload"),
    h("pre", { tabindex: "0", class: "result", "aria-label": "Payload of the answer" }, pretty(came.body)),
    h("h3", {}, "Log"),
    h("pre", { tabindex: "0", class: "log", "aria-label": "Tail of the log" }, came.log || "Nothing was logged."),
  );
}

function pretty(text) {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}
