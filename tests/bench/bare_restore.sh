# Runs on a node: restores a snapshot by runc alone, in a network namespace of its own, and prints the milliseconds from the start
# of the restore to the first response. usage: bash -s CONTAINER_ID SNAPSHOT_DIGEST
set -euo pipefail
holder=
container=$1 snapshot=/var/lib/thaw/snapshots/$2
task=/run/containerd/io.containerd.runtime.v2.task/k8s.io/$container
id=bench-$$ bundle=$(mktemp -d /run/bench.XXXXXX)
runc() { command runc --root "$bundle/runc" "$@"; }
finish() {
  runc delete -f "$id" >/dev/null 2>&1 || true
  kill "$holder" 2>/dev/null || true
  rm -rf "$bundle"
}
trap finish EXIT
# A process holds the namespace: `ip netns` would mount over the node's own folder of namespaces, and the kubelet trips over it.
unshare --net sleep 60 &
holder=$!
until [ "$(readlink /proc/$holder/ns/net)" != "$(readlink /proc/self/ns/net)" ]; do :; done
nsenter --net="/proc/$holder/ns/net" ip link set lo up
jq --arg net "/proc/$holder/ns/net" --arg rootfs "$task/rootfs" --arg cgroup "/$id" '
  .root.path = $rootfs | .linux.cgroupsPath = $cgroup |
  .linux.namespaces |= map(if .type == "network" then .path = $net else del(.path) end)' "$task/config.json" > "$bundle/config.json"
start=$(date +%s%N)
runc restore --detach --no-subreaper --tcp-established --file-locks --bundle "$bundle" \
  --image-path "$snapshot/checkpoint" --work-path "$bundle/work" "$id" < /dev/null > "$bundle/out" 2>&1 || { cat "$bundle/out"; exit 1; }
until nsenter --net="/proc/$holder/ns/net" curl -sf -o /dev/null http://127.0.0.1:8080/; do :; done
echo $(( ($(date +%s%N) - start) / 1000 )) | sed 's/...$/.&/'
