// Signing in: a token of the cluster and a namespace, tried before they are kept.

import * as api from "./api.js";
import { h } from "./dom.js";
import { field, onSubmit, outcome } from "./parts.js";
import * as session from "./session.js";

/** The page to sign in. `then` is called with the caller once it is known. */
export function signIn(then, reason) {
  const token = h("input", { type: "password", name: "token", required: true, autocomplete: "off", spellcheck: "false" });
  const namespace = h("input", { name: "namespace", required: true, value: session.namespace(), autocomplete: "off", spellcheck: "false" });
  const result = outcome();
  if (reason) result.fail(new Error(reason));
  const form = h(
    "form",
    { class: "card narrow" },
    h("h1", { tabindex: "-1" }, "Sign in to Thaw"),
    h("p", {}, "Thaw knows the users of your cluster: show a token of one."),
    field("Token", token, { hint: "Kept in this tab only, until you close it or sign out." }),
    field("Namespace", namespace, { hint: "Whose functions you want to see." }),
    h("button", { type: "submit", class: "primary" }, "Sign in"),
    result.place,
    help(),
  );
  onSubmit(form, result, async () => {
    const [given, wanted] = [token.value.trim(), namespace.value.trim()];
    result.busy("Signing in …");
    const caller = await api.whoami(given, wanted);
    if (caller.verbs.length === 0) throw new Error(`${caller.user} may do nothing with functions in the namespace ${wanted}.`);
    session.signIn(given, wanted);
    then(caller);
  });
  return form;
}

function help() {
  const line = (text) => h("pre", { tabindex: "0" }, h("code", {}, text));
  return h(
    "details",
    {},
    h("summary", {}, "How do I get a token?"),
    h("p", {}, "For a service account that exists and may use functions:"),
    line("kubectl create token my-account -n my-namespace"),
    h("p", {}, "For a new one, which may edit all that is in its namespace:"),
    line(
      "kubectl create serviceaccount my-account -n my-namespace\n" +
        "kubectl create rolebinding my-account -n my-namespace \\\n" +
        "    --clusterrole=edit --serviceaccount=my-namespace:my-account",
    ),
  );
}
