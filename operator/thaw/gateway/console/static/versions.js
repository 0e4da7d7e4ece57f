// Publishing, and the versions with their states as they change.

import { aliases } from "./aliases.js";
import * as api from "./api.js";
import { announce, h, replace } from "./dom.js";
import { bytes, ms } from "./format.js";
import { badge, card, field, onSubmit, outcome, since, table } from "./parts.js";

const COLUMNS = ["Version", "State", "SnapStart", "#Init", "#Last restore", "#Snapshot", "Taken", "#Instances", "Published", "Description"];

export function versions({ name, live, signal }) {
  const list = h("div", {}, h("p", { class: "quiet" }, "Loading …"));
  live.listen((view) => replace(list, table(`Versions of ${name}`, COLUMNS, view.versions.map((v) => row(name, v)), "No version is published yet.")));
  live.listen(teller());
  return [publishing(name, live), card("Versions", list), aliases(name, live, signal)];
}

function row(name, v) {
  const { ready, starting, standby, slots } = v.instances;
  const more = [starting && `${starting} starting`, standby && `${standby} on standby`, slots && `${slots} slots`].filter(Boolean);
  return [
    h("a", { href: `#/functions/${name}/test?qualifier=${v.version}`, title: `Test version ${v.version}`, data: { key: `v${v.version}` } }, v.version),
    [badge(v.state), v.state !== "Active" && v.stateReason ? h("span", { class: "reason" }, reason(v)) : null],
    v.optimizationStatus,
    ms(v.initDurationMs),
    ms(v.lastRestoreMs),
    v.snapshot ? [bytes(v.snapshot.sizeBytes), h("span", { class: "reason" }, `${bytes(v.snapshot.storedBytes)} stored`)] : "–",
    [since(v.snapshot?.createdAt), v.recycle ? h("span", { class: "reason" }, `being renewed: ${v.recycle}`) : null],
    [String(ready), more.length ? h("span", { class: "reason" }, more.join(", ")) : null],
    since(v.createdAt),
    v.description,
  ];
}

const reason = (v) => (v.stateReasonCode ? `${v.stateReasonCode}: ${v.stateReason}` : v.stateReason);

/** Says each version's change of state to screen readers. */
function teller() {
  let before = null;
  return (view) => {
    const now = new Map(view.versions.map((v) => [v.version, v]));
    for (const [number, v] of now) {
      if (before && before.get(number)?.state !== v.state) announce(`Version ${number} is ${v.state}. ${v.state === "Failed" ? reason(v) : ""}`);
    }
    before = now;
  };
}

function publishing(name, live) {
  const description = h("input", { maxlength: "256", autocomplete: "off" });
  const result = outcome();
  let [followed, tell] = [null, null];
  const follow = (view) => {
    const v = view.versions.find((each) => each.version === followed);
    if (v) tell(v);
  };
  live.listen(follow);
  const form = h(
    "form",
    {},
    card(
      "Publish a version",
      h("p", {}, "Freezes the function’s code and configuration as they are now, under the next number."),
      h(
        "div",
        { class: "row end" },
        field("Description of the version (optional)", description),
        h("button", { type: "submit", class: "primary" }, "Publish version"),
      ),
      result.place,
    ),
  );
  onSubmit(form, result, async () => {
    followed = null;
    result.busy("Publishing …");
    const before = new Set(live.view?.versions.map((v) => v.version));
    const made = await api.publishVersion(name, { Description: description.value });
    if (before.has(made.Version)) {
      result.say(`Nothing has changed since version ${made.Version}: it is that one.`);
      return;
    }
    description.value = "";
    [followed, tell] = [made.Version, follower(name, result)];
    tell({ version: made.Version, state: made.State, stateReason: made.StateReason ?? "", stateReasonCode: made.StateReasonCode });
    if (live.view) follow(live.view);
  });
  return form;
}

/** Says where a version is, once for each change. */
function follower(name, result) {
  let told = "";
  return (v) => {
    const text = `${v.version} ${v.state} ${v.stateReason}`;
    if (text === told) return;
    told = text;
    if (v.state === "Pending") result.busy(badge(v.state), ` Version ${v.version}: ${reason(v)}`);
    else if (v.state === "Failed") result.fail({ message: [badge(v.state), ` Version ${v.version}: ${reason(v)}`] });
    else result.say(badge(v.state), ` Version ${v.version} is ready. `, h("a", { href: `#/functions/${name}/test?qualifier=${v.version}` }, "Test it"));
  };
}
