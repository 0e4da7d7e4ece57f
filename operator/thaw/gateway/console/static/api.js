// The gateway's HTTP: Lambda's own REST API, and /thaw/v1 for what Lambda has no words for.

import * as session from "./session.js";

const ROOT = new URL("../", document.baseURI);
const LAMBDA = "2015-03-31/functions";

/** What the gateway answered instead: its status, its error's type and its own words. */
export class ApiError extends Error {
  constructor(status, type, message) {
    super(message);
    Object.assign(this, { status, type });
  }

  /** Whether the token is no longer one. */
  get signedOut() {
    return this.status === 401 || this.type === "UnrecognizedClientException";
  }
}

async function send(method, path, { query = {}, headers = {}, body, signal, as = session } = {}) {
  const url = new URL(path, ROOT);
  for (const [name, value] of Object.entries(query)) if (value) url.searchParams.set(name, value);
  let response;
  try {
    response = await fetch(url, {
      method,
      signal,
      body,
      headers: { Authorization: `Bearer ${as.token()}`, "X-Thaw-Namespace": as.namespace(), ...headers },
      credentials: "omit",
      redirect: "error",
    });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ApiError(0, "Unreachable", "The gateway does not answer. Is it still reachable?");
  }
  if (response.ok) return response;
  const text = await response.text();
  const error = new ApiError(response.status, response.headers.get("x-amzn-errortype") ?? "", words(text) || `HTTP ${response.status}`);
  if (error.signedOut && as === session) dispatchEvent(new CustomEvent("signedout", { detail: error.message }));
  throw error;
}

function words(text) {
  try {
    const body = JSON.parse(text);
    return body.message ?? body.Message;
  } catch {
    return text;
  }
}

async function json(method, path, options = {}) {
  const body = options.body === undefined ? undefined : JSON.stringify(options.body);
  const headers = body === undefined ? {} : { "Content-Type": "application/json" };
  return (await send(method, path, { ...options, body, headers })).json();
}

async function pages(path, key, signal) {
  const found = [];
  let marker;
  do {
    const page = await json("GET", path, { query: { Marker: marker }, signal });
    found.push(...page[key]);
    marker = page.NextMarker;
  } while (marker);
  return found;
}

const of = (name, rest = "") => `${LAMBDA}/${encodeURIComponent(name)}${rest}`;

export const listFunctions = (signal) => pages(`${LAMBDA}/`, "Functions", signal);
export const configuration = (name, signal) => json("GET", of(name, "/configuration"), { signal });
export const updateConfiguration = (name, body) => json("PUT", of(name, "/configuration"), { body });
export const publishVersion = (name, body) => json("POST", of(name, "/versions"), { body });
export const listAliases = (name, signal) => pages(of(name, "/aliases"), "Aliases", signal);
export const createAlias = (name, body) => json("POST", of(name, "/aliases"), { body });
export const updateAlias = (name, alias, body) => json("PUT", of(name, `/aliases/${encodeURIComponent(alias)}`), { body });

/** Invokes a function, and tells how that went: its answer, its log's tail, how its instance was started. */
export async function invoke(name, qualifier, payload) {
  const began = performance.now();
  const response = await send("POST", of(name, "/invocations"), {
    query: { Qualifier: qualifier },
    headers: { "Content-Type": "application/json", "X-Amz-Log-Type": "Tail" },
    body: payload,
  });
  const body = await response.text();
  const header = (key) => response.headers.get(key) ?? "";
  return {
    body,
    roundTripMs: performance.now() - began,
    error: header("X-Amz-Function-Error"),
    version: header("X-Amz-Executed-Version"),
    start: header("X-Thaw-Start"),
    restoreMs: Number(header("X-Thaw-Restore-Ms")),
    fallback: header("X-Thaw-Fallback"),
    log: utf8(header("X-Amz-Log-Result")),
  };
}

function utf8(base64) {
  return new TextDecoder().decode(Uint8Array.from(atob(base64), (byte) => byte.charCodeAt(0)));
}

/** Whose a token is, and what they may do in a namespace; before it is kept, too. */
export const whoami = (token, namespace) =>
  json("GET", "thaw/v1/whoami", token ? { as: { token: () => token, namespace: () => namespace } } : {});
export const starts = (name, signal) => json("GET", "thaw/v1/starts", { query: { function: name }, signal });
export const snapshots = (signal) => json("GET", "thaw/v1/snapshots", { signal });
export const nodes = (signal) => json("GET", "thaw/v1/nodes", { signal });

const AGAIN = 1000;
const LATER = 10_000;

/**
 * Calls `tell` with a function's live view at once and at each change, until the signal; begins again when the stream ends.
 * What cannot be had is told to `fail`, which gets null when all is well again.
 */
export async function watch(name, { tell, fail, signal }) {
  let wait = AGAIN;
  while (!signal.aborted) {
    try {
      const response = await send("GET", "thaw/v1/watch", { query: { function: name }, signal });
      fail(null);
      for await (const event of events(response.body)) {
        wait = AGAIN;
        if (event.name === "gone") throw new ApiError(404, "ResourceNotFoundException", "The function was deleted.");
        tell(JSON.parse(event.data));
      }
    } catch (error) {
      if (signal.aborted) return;
      fail(error instanceof ApiError ? error : new ApiError(0, "Unreachable", "The stream broke off."));
      if (error.status === 404 || error.status === 403 || error.signedOut) return;
      wait = Math.min(wait * 2, LATER);
    }
    await new Promise((resolve) => setTimeout(resolve, wait));
  }
}

/** Server-sent events out of a body. Read by fetch, as an EventSource cannot send who asks. */
async function* events(body) {
  let text = "";
  for await (const piece of chunks(body.pipeThrough(new TextDecoderStream()))) {
    text += piece;
    const blocks = text.split("\n\n");
    text = blocks.pop();
    for (const block of blocks) {
      const fields = Object.fromEntries(block.split("\n").map((line) => line.split(/: (.*)/s)));
      if (fields.event) yield { name: fields.event, data: fields.data };
    }
  }
}

async function* chunks(stream) {
  const reader = stream.getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      yield value;
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}
