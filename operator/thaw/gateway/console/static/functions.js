// The functions of the namespace.

import * as api from "./api.js";
import { announce, h, replace } from "./dom.js";
import { badge, field, since, table } from "./parts.js";
import * as session from "./session.js";

export async function functions({ signal }) {
  const found = await api.listFunctions(signal);
  const list = h("div");
  const wanted = h("input", { type: "search", autocomplete: "off", spellcheck: "false", oninput: () => show(true) });
  const show = (tell) => {
    const fitting = found.filter((f) => `${f.FunctionName} ${f.Description}`.toLowerCase().includes(wanted.value.trim().toLowerCase()));
    replace(list, table("Functions", ["Name", "State", "SnapStart", "Runtime", "#Memory", "#Timeout", "Changed"], fitting.map(row), "No function has that in its name."));
    if (tell) announce(`${fitting.length} of ${found.length} functions`);
  };
  show(false);
  const content = found.length ? h("section", { class: "card" }, field("Find", wanted), list) : nothing();
  return { title: "Functions", content: [h("p", { class: "quiet" }, `Namespace ${session.namespace()}`), content] };
}

function row(f) {
  return [
    [
      h("a", { href: `#/functions/${f.FunctionName}`, data: { key: f.FunctionName } }, f.FunctionName),
      f.Description ? h("span", { class: "reason" }, f.Description) : null,
    ],
    badge(f.State),
    f.SnapStart.ApplyOn === "PublishedVersions" ? "Published versions" : "None",
    f.Runtime ?? "image",
    `${f.MemorySize} MB`,
    `${f.Timeout} s`,
    since(f.LastModified.replace("+0000", "Z")),
  ];
}

function nothing() {
  const manifest = [
    "kubectl apply -f - <<END",
    "apiVersion: thaw.dev/v1alpha1",
    "kind: Function",
    `metadata: {name: hello, namespace: ${session.namespace()}}`,
    "spec:",
    "  runtime: python3.13",
    "  handler: app.handler",
    '  code: {inline: {app.py: "def handler(event, context): return event"}}',
    "  snapStart: {applyOn: PublishedVersions}",
    "END",
  ].join("\n");
  return h(
    "section",
    { class: "card" },
    h("h2", {}, "No functions here yet"),
    h("p", {}, "Create one with kubectl, or with CreateFunction of Lambda’s API (the aws command, boto3):"),
    h("pre", { tabindex: "0" }, h("code", {}, manifest)),
  );
}
