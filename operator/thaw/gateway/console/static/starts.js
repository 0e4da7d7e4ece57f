// How fast the function starts: restores against cold starts, as this gateway saw them.

import * as api from "./api.js";
import { chart } from "./chart.js";
import { h } from "./dom.js";
import { ms, percentile } from "./format.js";
import { card, since, startBadge, table } from "./parts.js";

const KINDS = ["restore", "slot", "standby", "cold", "warm"];
const SHOWN = 50;

export async function starts({ name, signal }) {
  const { since: begin, starts: found } = await api.starts(name, signal);
  const groups = KINDS.map((kind) => ({ kind, starts: found.filter((s) => s.start === kind) })).filter((g) => g.starts.length);
  for (const group of groups) group.sorted = group.starts.map((s) => s.totalMs).sort((a, b) => a - b);
  const from = groups.filter((g) => g.kind !== "warm");
  return card(
    "From zero to an answer",
    h("p", { class: "quiet" }, "Requests that found no instance, from their arrival to their answer, as this gateway has seen them; complete since ", since(begin), "."),
    comparison(groups),
    from.length ? chart(from) : h("p", {}, "None yet: test a version that has no instance running."),
    table("Starts by kind", ["Start", "#Requests", "#Fastest", "#Median", "#p90", "#Slowest"], groups.map(summary), "Nothing was invoked since."),
    found.length ? h("details", {}, h("summary", {}, `The last ${Math.min(found.length, SHOWN)} requests`), latest(found)) : null,
  );
}

function summary({ kind, sorted }) {
  return [startBadge(kind), String(sorted.length), ms(sorted[0]), ms(percentile(sorted, 0.5)), ms(percentile(sorted, 0.9)), ms(sorted.at(-1))];
}

function latest(found) {
  const rows = found.slice(-SHOWN).reverse();
  const cells = (s) => [since(s.at), s.version, startBadge(s.start), ms(s.totalMs), s.restoreMs ? ms(s.restoreMs) : "–"];
  return table("Recent requests", ["When", "Version", "Start", "#Until the answer", "#Restore"], rows.map(cells));
}

function comparison(groups) {
  const median = (kind) => {
    const group = groups.find((g) => g.kind === kind);
    return group && percentile(group.sorted, 0.5);
  };
  const [restore, cold] = [median("restore"), median("cold")];
  if (!restore || !cold) return null;
  return h("p", { class: "headline" }, h("strong", {}, `${(cold / restore).toFixed(1)} times`), ` as fast: the median restore answers in ${ms(restore)}, the median cold start in ${ms(cold)}.`);
}
