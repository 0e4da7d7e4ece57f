// One function: its frame, with the live view that all of its pages share.

import * as api from "./api.js";
import { h, replace } from "./dom.js";
import { configuration } from "./configuration.js";
import { badge, failure } from "./parts.js";
import { starts } from "./starts.js";
import { test } from "./test.js";
import { versions } from "./versions.js";

const PAGES = {
  versions: ["Versions", versions],
  test: ["Test", test],
  configuration: ["Configuration", configuration],
  starts: ["Starts", starts],
};

/** Milliseconds after which what is shown as ages is shown anew. */
const AGES = 30_000;

/** The live view of a function, and who is told of its changes. */
class Live {
  #listeners = [];
  view = null;

  /** Calls `listener` with the view as it is, once there is one, and at each change. */
  listen(listener) {
    this.#listeners.push(listener);
    if (this.view) listener(this.view);
  }

  tell(view) {
    this.view = view;
    for (const listener of this.#listeners) listener(view);
  }
}

export async function oneFunction({ signal, parts: [name, page = "versions"], query }) {
  if (!(page in PAGES)) throw new Error(`A function has no page ${page}.`);
  const live = new Live();
  const trouble = h("div");
  const facts = h("p", { class: "facts" });
  live.listen((view) => replace(facts, about(view)));
  const shown = await api.configuration(name, signal);
  const [label, make] = PAGES[page];
  const content = await make({ name, shown, live, signal, query });
  api.watch(name, {
    signal,
    tell: (view) => live.tell(view),
    fail: (error) => replace(trouble, error && failure(error)),
  });
  const clock = setInterval(() => live.view && live.tell(live.view), AGES);
  signal.addEventListener("abort", () => clearInterval(clock));
  const description = shown.Description ? h("p", { class: "description" }, shown.Description) : null;
  return {
    title: name,
    subtitle: label,
    content: [description, facts, trouble, tabs(name, page), content],
  };
}

function about(view) {
  const snapStart = view.applyOn === "PublishedVersions" ? "SnapStart: published versions" : "SnapStart: none";
  const latest = view.versions[0];
  return [
    badge(view.state),
    h("span", {}, view.runtime || "container image"),
    h("span", {}, snapStart),
    h("span", {}, latest ? `latest version ${latest.version}` : "not published yet"),
    view.state === "Failed" ? h("span", {}, view.stateReason) : null,
  ];
}

function tabs(name, current) {
  const link = ([page, [label]]) =>
    h("a", { href: `#/functions/${name}/${page}`, "aria-current": page === current ? "page" : null }, label);
  return h("nav", { class: "tabs", "aria-label": `Pages of ${name}` }, Object.entries(PAGES).map(link));
}
