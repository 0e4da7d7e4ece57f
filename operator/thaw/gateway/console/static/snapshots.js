// The namespace's snapshots.

import * as api from "./api.js";
import { h } from "./dom.js";
import { bytes, ms } from "./format.js";
import { badge, since, table } from "./parts.js";
import * as session from "./session.js";

const COLUMNS = ["Snapshot", "Version", "State", "In use", "#Size", "#Stored", "Taken", "#Init", "#Checkpoint", "#Trial restore", "Node"];

export async function snapshots({ signal }) {
  const { snapshots: found } = await api.snapshots(signal);
  const stored = found.reduce((sum, one) => sum + (one.storedBytes ?? 0), 0);
  return {
    title: "Snapshots",
    content: [
      h("p", { class: "quiet" }, `Namespace ${session.namespace()}: ${found.length} snapshots, ${bytes(stored)} in the store`),
      h("section", { class: "card" }, table("Snapshots", COLUMNS, found.map(row), "Publish a version of a function with SnapStart to get one.")),
    ],
  };
}

function row(one) {
  return [
    [one.name, one.message ? h("span", { class: "reason" }, one.message) : null],
    h("a", { href: `#/functions/${one.function}/versions` }, `${one.function}:${one.version}`),
    badge(one.phase),
    one.inUse ? "Yes" : "No",
    bytes(one.sizeBytes),
    bytes(one.storedBytes),
    since(one.createdAt),
    ms(one.initDurationMs),
    ms(one.checkpointMs),
    ms(one.trialRestoreMs),
    one.node || "–",
  ];
}
