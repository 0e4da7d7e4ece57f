// Starts Lambda's runtime interface client, unmodified, with what it lacks for a snapshot: hooks, and randomness of its own
// for every clone. Nothing of this is there in a function without SnapStart.
//
//   globalThis.thaw?.beforeSnapshot(async () => { … });   // in reverse order of registration, before the snapshot
//   globalThis.thaw?.afterRestore(async () => { … });     // in order of registration, after every restore
//
// The client for Node asks for no restore/next: its first wait for an invocation, when the function's module is loaded, is
// preceded by it here.
import { createRequire } from "node:module";
import http from "node:http";

const require = createRequire(import.meta.url);
// Where version 4 of the client has its addon, and where version 3 has it.
const addons = ["aws-lambda-ric/rapid-client.node", "aws-lambda-ric/dist/rapid-client.node"];

if (process.env.AWS_LAMBDA_INITIALIZATION_TYPE === "snap-start") {
  const { ownMathRandom, reseed } = await import("./reseed.mjs");
  const before = [];
  const after = [reseed];
  ownMathRandom();
  globalThis.thaw = Object.freeze({
    beforeSnapshot: (hook) => void before.unshift(callable(hook)),
    afterRestore: (hook) => void after.push(callable(hook)),
  });
  beforeFirstNext(async () => {
    await each(before, "init/error");
    await call("GET", "restore/next");
    await each(after, "restore/error");
  });
}

// Version 4 runs when it is loaded; 3 has a function for it.
const { run } = await import("aws-lambda-ric");
await run?.(process.cwd(), process.argv[2]);

/** Has something done once, before the client first asks for an invocation. */
function beforeFirstNext(what) {
  const addon = require(addons.find(exists));
  const next = addon.next;
  addon.next = async function () {
    addon.next = next;
    await what();
    return next.apply(this, arguments);
  };
}

function exists(module) {
  try {
    return require.resolve(module);
  } catch {
    return false;
  }
}

/** Runs hooks in turn. One that fails ends the process, which has said why. */
async function each(hooks, path) {
  try {
    for (const hook of hooks) await hook();
  } catch (e) {
    console.error(e);
    const name = e?.name ?? "Error";
    const body = { errorType: name, errorMessage: e?.message ?? String(e), stackTrace: (e?.stack ?? "").split("\n").slice(1) };
    await call("POST", path, JSON.stringify(body), name);
    process.exit(1);
  }
}

function callable(hook) {
  if (typeof hook !== "function") throw new TypeError("a hook is a function");
  return hook;
}

/** A call of the Runtime API, on a connection of its own. */
function call(method, path, body = "", errorType = "") {
  const headers = { "Content-Type": "application/json", "Content-Length": Buffer.byteLength(body) };
  if (errorType) headers["Lambda-Runtime-Function-Error-Type"] = errorType;
  return new Promise((resolve, reject) => {
    const url = `http://${process.env.AWS_LAMBDA_RUNTIME_API}/2018-06-01/runtime/${path}`;
    const request = http.request(url, { method, headers, agent: false }, (response) => {
      response.resume();
      response.on("end", () => {
        if (response.statusCode < 300) resolve();
        else reject(new Error(`${path} answered ${response.statusCode}`));
      });
    });
    request.on("error", reject);
    request.end(body);
  });
}
