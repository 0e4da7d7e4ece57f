// Who is signed in. The token is in this tab's session storage and nowhere else; closing the tab or signing out forgets it.

const TOKEN = "thaw.token";
const NAMESPACE = "thaw.namespace";
const KNOWN = "thaw.namespaces";

export const token = () => sessionStorage.getItem(TOKEN);
export const namespace = () => sessionStorage.getItem(NAMESPACE) ?? "default";

/** Namespaces used in this tab, the latest first. */
export const namespaces = () => JSON.parse(sessionStorage.getItem(KNOWN) ?? "[]");

export function signIn(newToken, newNamespace) {
  sessionStorage.setItem(TOKEN, newToken);
  choose(newNamespace);
}

export function choose(newNamespace) {
  sessionStorage.setItem(NAMESPACE, newNamespace);
  const known = [newNamespace, ...namespaces().filter((name) => name !== newNamespace)].slice(0, 8);
  sessionStorage.setItem(KNOWN, JSON.stringify(known));
}

export function signOut() {
  for (const key of [TOKEN, NAMESPACE, KNOWN]) sessionStorage.removeItem(key);
}
