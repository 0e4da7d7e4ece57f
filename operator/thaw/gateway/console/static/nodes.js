// The nodes, and what each has ready for use.

import * as api from "./api.js";
import { h } from "./dom.js";
import { bytes } from "./format.js";
import { badge, card, table } from "./parts.js";

export async function nodes({ signal }) {
  const { nodes: found } = await api.nodes(signal);
  return {
    title: "Nodes",
    content: [
      h("p", { class: "quiet" }, "What is in a node’s cache is restored there without a download. Shown are the snapshots that you may see."),
      found.length ? found.map(one) : h("p", {}, "No node has an agent of Thaw’s."),
    ],
  };
}

function one(node) {
  const { arch, kernel, criu, runc, cpu } = node.fingerprint;
  const facts = [
    ["Agent", [badge(node.agentReady ? "Ready" : "Failed"), node.problem ? ` ${node.problem}` : null]],
    ["Snapshots", node.checkpoint === null ? "–" : node.checkpoint ? "Supported" : `Not supported: ${node.reason}`],
    ["Machine", arch || "–"],
    ["CPU", cpu ? h("code", {}, cpu) : "–"],
    ["Kernel", kernel || "–"],
    ["CRIU", criu || "–"],
    ["runc", runc || "–"],
    ["Thaw", node.version || "–"],
  ];
  if (node.cache?.code) facts.push(["Unpacked code", `${node.cache.code.count}, ${bytes(node.cache.code.bytes)}`]);
  return card(
    node.name,
    h("dl", { class: "facts-list" }, facts.map(([term, value]) => h("div", {}, h("dt", {}, term), h("dd", {}, value)))),
    node.cache ? cached(node.name, node.cache.snapshots) : null,
  );
}

function cached(node, snapshots) {
  const total = snapshots.reduce((sum, one) => sum + one.bytes, 0);
  return [
    h("h3", {}, `In its cache: ${snapshots.length} snapshots, ${bytes(total)}`),
    table(`Snapshots in the cache of ${node}`, ["Snapshot", "Function", "#On its disk"], snapshots.map(row), "None of those that you may see."),
  ];
}

const row = (one) => [one.name, `${one.namespace}/${one.function}:${one.version}`, bytes(one.bytes)];
