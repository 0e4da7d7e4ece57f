# Making a cluster, bringing it back, removing it. Sourced by hack/cluster: name, nodes, folder and kubeconfig are its.
# shellcheck shell=bash disable=SC2154

# preflight: fails with one line that says what is missing.
preflight() {
  [ "$(uname -s)-$(uname -m)" = Linux-x86_64 ] || die "CRIU needs Linux on x86_64; this is $(uname -s) on $(uname -m)"
  local release; release=$(uname -r)
  awk -v r="$release" 'BEGIN {split(r, v, "."); exit !(v[1] > 5 || (v[1] == 5 && v[2] >= 9))}' \
    || die "kernel $release cannot checkpoint: 5.9 or newer is needed (CAP_CHECKPOINT_RESTORE)"
  docker info >/dev/null 2>&1 || have_root || die "Docker does not answer and you are not root: start Docker, or run this as root"
  can_pull || { have_root || die "no image can be pulled, and assembling one needs root"
    command -v go >/dev/null || die "no image can be pulled and there is no Go to build one with: install Go 1.26 or newer"; }
  command -v kind >/dev/null || [ -x "$THAW_BIN/kind" ] || command -v go >/dev/null || die "kind is missing and there is no Go to build it with: install Go 1.26 or newer"
}

cluster_up() {
  preflight
  mkdir -p "$THAW_BIN" "$folder"
  hack/docker/start
  go_tool kind "$KIND_VERSION" sigs.k8s.io/kind
  if is_well; then
    step "cluster $name is well"
    return
  fi
  if [ -n "$(node_containers)" ] && ! came_back; then
    step "cluster $name did not come back: making it anew"
    remove_nodes
  fi
  is_well || create
  provide_kubectl
  step "cluster $name is ready: eval \"\$(hack/cluster env --name $name)\""
}

node_containers() { docker ps -aq --filter "label=io.x-k8s.kind.cluster=$name"; }

# is_well: every node is Ready, and there are as many as asked for.
is_well() {
  [ -f "$kubeconfig" ] && [ -f "$folder/complete" ] || return 1
  local ready
  ready=$(timeout 10 kubectl --kubeconfig "$kubeconfig" get nodes --no-headers 2>/dev/null | awk '$2 == "Ready"' | wc -l)
  [ "$ready" -ge 1 ] && [ "$ready" = "$(node_containers | wc -l)" ]
}

# came_back: the containers were stopped underneath (Docker ended, the machine restarted) and are well again once started.
came_back() {
  [ -f "$folder/complete" ] || return 1
  step "starting the stopped nodes of $name"
  node_containers | xargs docker start >/dev/null 2>&1 || return 1
  wait_for 60 is_api_up || return 1
  pod_network
  wait_for 60 is_well
}

is_api_up() { timeout 5 kubectl --kubeconfig "$kubeconfig" get --raw /readyz >/dev/null 2>&1; }

wait_for() { # SECONDS COMMAND
  local end=$((SECONDS + $1))
  shift
  until "$@"; do
    [ $SECONDS -lt $end ] || return 1
    sleep 0.5
  done
}

create() {
  local image
  image=$(hack/node-image/build)
  step "creating cluster $name ($nodes node$([ "$nodes" = 1 ] || echo s))"
  remove_nodes
  mkdir -p "$folder/store"
  kind_config > "$folder/kind.yaml"
  "$THAW_BIN/kind" create cluster --quiet --name "$name" --image "$image" --config "$folder/kind.yaml" --kubeconfig "$kubeconfig" \
    || die "kind could not create the cluster $name: see above; hack/cluster logs --name $name says more"
  case $image in *:assembled-*) pod_network ;; esac
  kubectl --kubeconfig "$kubeconfig" taint nodes --all node-role.kubernetes.io/control-plane- >/dev/null 2>&1 || true
  touch "$folder/complete"
  wait_for 90 is_well || die "the nodes of $name did not become Ready: hack/cluster logs --name $name"
}

# kind_config: the cluster as kind wants it said. The gateway's node port is forwarded from a free port of this machine's loopback,
# and all nodes see one folder as the snapshot store.
kind_config() {
  printf 'kind: Cluster\napiVersion: kind.x-k8s.io/v1alpha4\n'
  if can_pull; then
    printf 'networking: {podSubnet: "10.244.0.0/16"}\n'
  else
    printf 'networking: {disableDefaultCNI: true, podSubnet: "10.244.0.0/16"}\n'
  fi
  cat <<'YAML'
kubeadmConfigPatches:
- |
  kind: KubeletConfiguration
  apiVersion: kubelet.config.k8s.io/v1beta1
  imageGCHighThresholdPercent: 100
  evictionHard: {nodefs.available: "0%", nodefs.inodesFree: "0%", imagefs.available: "0%"}
YAML
  # Without systemd the kubelet manages cgroups itself; version 1 has to be allowed by name.
  can_pull || printf '  cgroupDriver: cgroupfs\n  cgroupRoot: /kubelet\n'
  [ -f /sys/fs/cgroup/cgroup.controllers ] || printf '  failCgroupV1: false\n'
  printf 'nodes:\n'
  local i
  for i in $(seq "$nodes"); do
    [ "$i" = 1 ] && printf -- '- role: control-plane\n  extraPortMappings: [{containerPort: 30080, hostPort: 0, listenAddress: 127.0.0.1}]\n' \
      || printf -- '- role: worker\n'
    printf '  extraMounts: [{hostPath: "%s/store", containerPath: /var/lib/thaw/store}]\n' "$folder"
  done
}

# pod_network: what kindnet would do, where its image cannot be had: point-to-point links on each node, and a route to every other's pods.
pod_network() {
  local rows row node cidr address other other_cidr other_address
  wait_for 60 pod_cidrs_known || die "the nodes of $name got no pod addresses"
  rows=$(pod_cidrs)
  while read -r node cidr address; do
    docker exec -i "$node" sh -c 'cat > /etc/cni/net.d/10-thaw.conflist' <<JSON
{"cniVersion": "1.0.0", "name": "pods", "plugins": [
  {"type": "ptp", "ipMasq": false, "ipam": {"type": "host-local", "ranges": [[{"subnet": "$cidr"}]], "routes": [{"dst": "0.0.0.0/0"}]}},
  {"type": "portmap", "capabilities": {"portMappings": true}}]}
JSON
    while read -r other other_cidr other_address; do
      [ "$other" = "$node" ] || docker exec "$node" ip route replace "$other_cidr" via "$other_address"
    done <<< "$rows"
  done <<< "$rows"
}

pod_cidrs() {
  kubectl --kubeconfig "$kubeconfig" get nodes \
    -o jsonpath='{range .items[*]}{.metadata.name} {.spec.podCIDR} {.status.addresses[?(@.type=="InternalIP")].address}{"\n"}{end}' 2>/dev/null
}
# The controller manager gives the pod CIDRs a moment after the nodes are there.
pod_cidrs_known() { local rows; rows=$(pod_cidrs) && [ -n "$rows" ] && awk 'NF && NF != 3 {exit 1}' <<< "$rows"; }

# provide_kubectl: the node brings one, for machines that have none.
provide_kubectl() {
  command -v kubectl >/dev/null || docker cp "$name-control-plane:/usr/bin/kubectl" "$THAW_BIN/kubectl" >/dev/null
}

remove_nodes() {
  rm -f "$folder/complete"
  "$THAW_BIN/kind" delete cluster --quiet --name "$name" --kubeconfig "$kubeconfig" 2>/dev/null || true
  local left; left=$(node_containers)
  # shellcheck disable=SC2086  # a list of ids
  [ -z "$left" ] || docker rm -fv $left >/dev/null
}

cluster_down() {
  if docker info >/dev/null 2>&1; then
    remove_nodes
  elif [ -d "$folder" ]; then
    hack/docker/start && remove_nodes
  fi
  rm -rf "$folder"
  step "cluster $name is gone"
}
