// Starts as dots on a line of time, one lane for each kind. The tables beside it say the same.

import { h, s } from "./dom.js";
import { ms, percentile } from "./format.js";

const WIDTH = 960;
const LEFT = 84;
const RIGHT = 28;
const LANE = 58;
const AXIS = 34;

/** An SVG of groups {kind, sorted}: each start a dot, the median a line. */
export function chart(groups) {
  const height = groups.length * LANE + AXIS;
  const { step, top } = scale(Math.max(...groups.map((g) => g.sorted.at(-1))));
  const x = (duration) => LEFT + (duration / top) * (WIDTH - LEFT - RIGHT);
  const label = groups.map((g) => `${g.kind}: ${g.sorted.length} starts, median ${ms(percentile(g.sorted, 0.5))}`).join("; ");
  const ticks = Array.from({ length: Math.round(top / step) + 1 }, (_, i) => i * step);
  const drawing = s(
    "svg",
    { class: "chart", viewBox: `0 0 ${WIDTH} ${height}`, role: "img", "aria-label": `Time until the answer. ${label}. The table below has the numbers.` },
    ticks.map((at) => [
      s("line", { class: "grid", x1: x(at), x2: x(at), y1: 4, y2: height - AXIS + 4 }),
      s("text", { class: "tick", x: x(at), y: height - 12, "text-anchor": "middle" }, at === 0 ? "0" : ms(at)),
    ]),
    groups.map((group, i) => lane(group, i * LANE + LANE / 2, x)),
  );
  return h("div", { class: "scroll", role: "region", tabindex: "0", "aria-label": "Chart of starts" }, drawing);
}

function lane({ kind, sorted }, y, x) {
  const median = percentile(sorted, 0.5);
  const beyond = x(median) > WIDTH - 120;
  return s(
    "g",
    { class: `lane ${kind}` },
    s("text", { class: "name", x: 8, y: y + 5 }, kind),
    s("line", { class: "base", x1: LEFT, x2: WIDTH - RIGHT, y1: y, y2: y }),
    sorted.map((duration, i) => dot(kind, x(duration), y + spread(i))),
    s("line", { class: "median", x1: x(median), x2: x(median), y1: y - 18, y2: y + 18 }),
    s("text", { class: "value", x: x(median) + (beyond ? -6 : 6), y: y - 15, "text-anchor": beyond ? "end" : "start" }, `median ${ms(median)}`),
  );
}

/** Restores are filled circles, cold starts open diamonds: told apart without colour. */
function dot(kind, x, y) {
  if (kind === "cold") return s("path", { class: "dot", d: `M${x} ${y - 5}l5 5-5 5-5-5z` });
  return s("circle", { class: "dot", cx: x, cy: y, r: 4.5 });
}

/** Neighbours beside each other, always at the same place. */
const spread = (i) => [0, -6, 6, -3, 3][i % 5];

/** A round step, and a last tick at or above the most. */
function scale(most) {
  const rough = most / 5;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((n) => n * power).find((n) => n >= rough);
  return { step, top: Math.ceil(most / step) * step };
}
