// Draws from every generator once in its initialisation, so that their state is in the snapshot, and again at each event.
import crypto, { randomUUID } from "node:crypto";

const calls = [];
const { random } = Math; // held on to, as libraries do

for (const number of "12") {
  hook(`before-${number}`, globalThis.thaw?.beforeSnapshot);
  hook(`after-${number}`, globalThis.thaw?.afterRestore);
}

function hook(name, register) {
  register?.(async () => {
    await new Promise(setImmediate);
    calls.push(name);
    if (process.env.FAIL === name) throw new Error(`${name}: no database today`);
  });
}

function draw() {
  return {
    "Math.random": Math.random(),
    "Math.random held": random(),
    "crypto.randomBytes": crypto.randomBytes(16).toString("hex"),
    "crypto.randomInt": crypto.randomInt(2 ** 47),
    "crypto.randomUUID": crypto.randomUUID(),
    "crypto.randomUUID held": randomUUID(),
    "webcrypto.getRandomValues": Buffer.from(crypto.webcrypto.getRandomValues(new Uint8Array(16))).toString("hex"),
  };
}

const drawnAtInit = draw();

export async function handler(event) {
  await new Promise((done) => setTimeout(done, (event.sleep ?? 0) * 1000));
  return { calls, drawnAtInit, drawn: draw(), version: process.version };
}
