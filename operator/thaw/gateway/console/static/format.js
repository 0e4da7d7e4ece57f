// Numbers and times for people.

/** Bytes: `76 MiB`. */
export function bytes(count) {
  if (count === null || count === undefined) return "–";
  let size = count;
  for (const unit of ["B", "KiB", "MiB"]) {
    if (size < 1024) return `${size < 10 && unit !== "B" ? size.toFixed(1) : Math.round(size)} ${unit}`;
    size /= 1024;
  }
  return `${size.toFixed(1)} GiB`;
}

/** Milliseconds: `143 ms`, `2.10 s`. */
export function ms(duration) {
  if (duration === null || duration === undefined) return "–";
  if (duration < 10) return `${duration.toFixed(1)} ms`;
  return duration < 1000 ? `${Math.round(duration)} ms` : `${(duration / 1000).toFixed(2)} s`;
}

const STEPS = [
  [60, "second"],
  [60, "minute"],
  [24, "hour"],
  [Infinity, "day"],
];
const relative = new Intl.RelativeTimeFormat("en", { numeric: "auto" });

/** How long ago: `3 minutes ago`. */
export function ago(time) {
  let left = (Date.parse(time) - Date.now()) / 1000;
  for (const [size, unit] of STEPS) {
    if (Math.abs(left) < size) return relative.format(Math.round(left), unit);
    left /= size;
  }
}

/** The value below which that share of sorted numbers is (nearest rank). */
export function percentile(sorted, share) {
  return sorted[Math.max(Math.ceil(sorted.length * share) - 1, 0)];
}
