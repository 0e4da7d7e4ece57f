// Gives every clone of a snapshot randomness of its own.
//
// The kernel's generator is fresh after a restore; those in user space go on as they were dumped, alike in every clone:
// OpenSSL's (all of node:crypto and WebCrypto), what node:crypto drew from it in advance, and V8's behind Math.random.
import crypto from "node:crypto";
import fs from "node:fs";
import { createRequire } from "node:module";

const openssl = createRequire(import.meta.url)("./openssl.node");

/** How many UUIDs, and how many random integers, node:crypto keeps prepared. */
const PREPARED_UUIDS = 128;
const PREPARED_INTEGERS = 1024;

const words = new Uint32Array(1024);
let at = words.length;

/**
 * Math.random draws from OpenSSL's generator from now on: V8 seeds its own once and has no way to do so again.
 * It is replaced before the function's code is loaded, and for good, so that nobody holds the other one.
 */
export function ownMathRandom() {
  Math.random = function random() {
    if (at === words.length) {
      crypto.randomFillSync(words);
      at = 0;
    }
    return ((words[at++] >>> 5) * 0x4000000 + (words[at++] >>> 6)) / 2 ** 53;
  };
}

/** Seeds OpenSSL's generator anew, and throws away what was drawn from it before. */
export function reseed() {
  const fresh = Buffer.alloc(64);
  const device = fs.openSync("/dev/urandom", "r");
  try {
    fs.readSync(device, fresh);
  } finally {
    fs.closeSync(device);
  }
  openssl.add(fresh);
  for (let i = 0; i < PREPARED_UUIDS; i++) crypto.randomUUID();
  for (let i = 0; i < PREPARED_INTEGERS; i++) crypto.randomInt(2);
  at = words.length;
}
