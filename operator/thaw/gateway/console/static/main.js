// The frame around the pages: where one is, who one is, and what is shown.

import * as api from "./api.js";
import { h } from "./dom.js";
import { oneFunction } from "./function.js";
import { functions } from "./functions.js";
import { nodes } from "./nodes.js";
import { failure } from "./parts.js";
import * as session from "./session.js";
import { signIn } from "./signin.js";
import { snapshots } from "./snapshots.js";

const PLACES = { functions: "Functions", snapshots: "Snapshots", nodes: "Nodes" };
const PAGES = { functions: (context) => (context.parts.length ? oneFunction : functions)(context), snapshots, nodes };
const THEMES = { system: "System", light: "Light", dark: "Dark" };

const main = document.getElementById("main");
let caller = null;
let leaving = new AbortController();

/** Shows the page that the address names. */
async function show({ focus }) {
  leaving.abort();
  leaving = new AbortController();
  const { signal } = leaving;
  const [path, search = ""] = location.hash.replace(/^#\/?/, "").split("?");
  const [place, ...parts] = path.split("/").filter(Boolean).map(decodeURIComponent);
  frame(place ?? "functions");
  main.setAttribute("aria-busy", "true");
  let page;
  try {
    const make = PAGES[place ?? "functions"];
    if (!make) throw new Error(`There is no page ${place}.`);
    page = await make({ parts, query: new URLSearchParams(search), signal });
  } catch (error) {
    page = { title: parts[0] ?? PLACES[place] ?? "Not found", content: failure(error) };
  }
  if (signal.aborted) return;
  main.removeAttribute("aria-busy");
  document.title = [page.subtitle, page.title, "Thaw"].filter(Boolean).join(" · ");
  const heading = h("h1", { tabindex: "-1" }, page.title);
  main.replaceChildren(heading, ...[page.content].flat(Infinity).filter(Boolean));
  if (focus) heading.focus({ preventScroll: true });
  if (focus) scrollTo(0, 0);
}

function frame(place) {
  const link = ([key, label]) => h("a", { href: `#/${key}`, "aria-current": key === place ? "page" : null }, label);
  document.getElementById("places").replaceChildren(...(caller ? Object.entries(PLACES).map(link) : []));
  document.getElementById("who").replaceChildren(theme(), ...(caller ? [chooser(), signedIn()] : []));
}

function theme() {
  const set = (event) => {
    localStorage.setItem("thaw.theme", event.target.value);
    document.documentElement.dataset.theme = event.target.value;
  };
  const current = document.documentElement.dataset.theme;
  const options = Object.entries(THEMES).map(([value, label]) => h("option", { value, selected: value === current }, label));
  return h("label", { class: "inline" }, "Theme", h("select", { onchange: set }, options));
}

function chooser() {
  const known = h("datalist", { id: "namespaces" }, session.namespaces().map((name) => h("option", { value: name })));
  const input = h("input", { value: session.namespace(), list: known.id, required: true, size: "12", autocomplete: "off", spellcheck: "false" });
  const choose = (event) => {
    event.preventDefault();
    session.choose(input.value.trim());
    if (location.hash === "#/functions") enter({ focus: true });
    else location.hash = "#/functions";
  };
  return h("form", { class: "inline", onsubmit: choose }, h("label", { class: "inline" }, "Namespace", input), known, h("button", { type: "submit" }, "Switch"));
}

function signedIn() {
  const short = caller.user.replace(/^system:serviceaccount:/, "");
  return h("span", { class: "inline" }, h("span", { class: "user", title: caller.user }, short), h("button", { type: "button", onclick: () => leave() }, "Sign out"));
}

function leave(reason) {
  session.signOut();
  caller = null;
  ask(reason && `You were signed out: ${reason}`);
}

/** Shows the page to sign in, and then the one that the address names. */
function ask(reason) {
  leaving.abort();
  frame("");
  document.title = "Sign in · Thaw";
  const form = signIn((found) => {
    caller = found;
    show({ focus: true });
  }, reason);
  main.removeAttribute("aria-busy");
  main.replaceChildren(form);
  form.querySelector("input").focus();
}

async function enter({ focus }) {
  if (!session.token()) return ask();
  try {
    caller = await api.whoami();
  } catch (error) {
    return error.signedOut ? undefined : ask(error.message);
  }
  return show({ focus });
}

document.querySelector(".skip").addEventListener("click", (event) => {
  event.preventDefault();
  main.focus();
});
// A link to where one is shows it anew.
addEventListener("click", (event) => {
  const link = event.target.closest("a");
  if (link?.hash.startsWith("#/") && link.hash === location.hash && caller) show({ focus: true });
});
addEventListener("hashchange", () => (caller ? show({ focus: true }) : enter({ focus: true })));
addEventListener("signedout", (event) => leave(event.detail));
enter({ focus: false });
