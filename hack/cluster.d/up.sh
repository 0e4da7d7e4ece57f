# shellcheck shell=bash disable=SC2154
# Making a cluster, bringing it back, removing it. Sourced by hack/cluster, which sets name, nodes, folder and KUBECONFIG.

# What is missing, in one line.
cluster_preflight() {
  [ "$(uname -s)" = Linux ] || die "nodes checkpoint with CRIU, which needs Linux; this is $(uname -s)"
  [ -e /proc/sys/kernel/ns_last_pid ] || die "this kernel cannot checkpoint: it is built without CONFIG_CHECKPOINT_RESTORE"
  may_use_docker >/dev/null || die "$(may_use_docker)"
  check_go >/dev/null || [ -x "$THAW_CACHE/bin/kind" ] || die "$(check_go)"
}

cluster_up() {
  local started=$SECONDS
  ensure_docker
  go_tool kind sigs.k8s.io/kind "$KIND_VERSION"
  claim_name
  if [ -n "$(nodes_of_cluster)" ] && ! bring_back; then
    step "the cluster $name is not whole: making it anew"
    remove_nodes
  fi
  [ -n "$(nodes_of_cluster)" ] || create
  step "cluster $name is ready after $((SECONDS - started)) s: eval \"\$(hack/cluster env --name $name)\""
}

nodes_of_cluster() { docker ps -a --filter "label=io.x-k8s.kind.cluster=$name" --format '{{.Names}}' | sort; }

# A kind cluster of this name that is not ours is somebody's: it is neither used nor removed.
claim_name() {
  [ -d "$folder" ] || [ -z "$(nodes_of_cluster)" ] || die "there is a kind cluster \"$name\" that hack/cluster did not make: choose another --name"
  mkdir -p "$folder"
}

# bring_back : true if the cluster is well, or is again after its stopped nodes were started
bring_back() {
  [ -f "$folder/complete" ] || { note "an earlier run was interrupted"; return 1; }
  local have_nodes
  have_nodes=$(nodes_of_cluster | wc -l)
  [ "${nodes:-$have_nodes}" = "$have_nodes" ] || die "cluster $name has $have_nodes nodes, not $nodes: hack/cluster down --name $name first"
  if [ -n "$(docker ps -aq --filter "label=io.x-k8s.kind.cluster=$name" --filter status=exited --filter status=created)" ]; then
    step "starting the stopped nodes of $name"
    restarted_at=$(date -u +%Y-%m-%dT%H:%M:%S)
    nodes_of_cluster | xargs docker start >/dev/null || return 1
  fi
  wait_for 60 api_answers || return 1
  connect_pods || return 1
  wait_for 90 is_well
}

create() {
  local image
  image=$(hack/node-image/build)
  nodes=${nodes:-1}
  step "creating cluster $name with ${nodes} node(s)"
  mkdir -p "$folder/store"
  source_of_image "$image" > "$folder/source"
  kind_config > "$folder/kind.yaml"
  quietly "$folder/kind.log" kind create cluster --name "$name" --image "$image" --config "$folder/kind.yaml" --kubeconfig "$KUBECONFIG"
  provide_kubectl
  check_criu
  connect_pods || die "the nodes of $name were given no pod addresses: hack/cluster logs --name $name"
  kubectl taint nodes --all node-role.kubernetes.io/control-plane- >/dev/null 2>&1 || true
  step "waiting for the nodes and cluster DNS"
  wait_for 120 is_well || die "the cluster $name did not become ready: hack/cluster logs --name $name"
  touch "$folder/complete"
}

source_of_image() { case $1 in *:pulled-*) echo pulled ;; *) echo assembled ;; esac; }
is_assembled() { [ "$(cat "$folder/source" 2>/dev/null)" = assembled ]; }

# The gateway's node port is forwarded from a free port of this machine's loopback; all nodes see one folder as the snapshot store;
# a small disk evicts nothing and forgets no image.
kind_config() {
  cat <<YAML
kind: Cluster
apiVersion: kind.x-k8s.io/v1alpha4
networking:
  podSubnet: 10.244.0.0/16
  serviceSubnet: 10.96.0.0/16
  disableDefaultCNI: $(is_assembled && echo true || echo false)
kubeadmConfigPatches:
- |
  kind: KubeletConfiguration
  apiVersion: kubelet.config.k8s.io/v1beta1
  imageGCHighThresholdPercent: 100
  evictionHard: {memory.available: "0%", nodefs.available: "0%", nodefs.inodesFree: "0%", imagefs.available: "0%"}
YAML
  # Without systemd in the node the kubelet manages cgroups itself; version 1 has to be allowed by name.
  if is_assembled; then printf '  cgroupDriver: cgroupfs\n  cgroupRoot: /kubelet\n'; fi
  if [ ! -f /sys/fs/cgroup/cgroup.controllers ]; then printf '  failCgroupV1: false\n'; fi
  if is_assembled; then printf -- '- |\n  kind: ClusterConfiguration\n  imageRepository: thaw.local\n  dns: {imageRepository: thaw.local}\n'; fi
  printf 'nodes:\n'
  local i
  for ((i = 1; i <= nodes; i++)); do
    printf -- '- role: %s\n' "$([ "$i" = 1 ] && echo control-plane || echo worker)"
    printf '  extraMounts: [{hostPath: "%s", containerPath: /var/lib/thaw/store}]\n' "$folder/store"
    if [ "$i" = 1 ]; then
      printf '  extraPortMappings: [{containerPort: 30080, hostPort: %s, listenAddress: 127.0.0.1}]\n' "$(free_port)"
    fi
  done
}

free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }

# A kernel may have what CRIU needs and a sandbox around this machine still forbid it.
check_criu() {
  local said
  said=$(docker exec "$name-control-plane" criu check 2>&1) || die "CRIU cannot work on this machine: $(grep -m 1 Error <<< "$said" || tail -n 1 <<< "$said")"
}

# What kindnet would do, where its image cannot be had: a link for each pod, and on each node a route to every other's pods.
connect_pods() {
  is_assembled || return 0
  wait_for 60 pod_addresses_known || return 1
  local node subnet address other other_subnet other_address all
  all=$(pod_addresses)
  while read -r node subnet address; do
    docker exec -i "$node" sh -c 'cat > /etc/cni/net.d/10-pods.conflist.new && mv /etc/cni/net.d/10-pods.conflist.new /etc/cni/net.d/10-pods.conflist' <<JSON
{"cniVersion": "1.0.0", "name": "pods", "plugins": [
  {"type": "ptp", "ipMasq": false,
   "ipam": {"type": "host-local", "ranges": [[{"subnet": "$subnet"}]], "routes": [{"dst": "0.0.0.0/0"}]}},
  {"type": "portmap", "capabilities": {"portMappings": true}}]}
JSON
    while read -r other other_subnet other_address; do
      [ "$other" = "$node" ] || docker exec "$node" ip route replace "$other_subnet" via "$other_address"
    done <<< "$all"
  done <<< "$all"
}

# NODE SUBNET ADDRESS, a line for each node. Docker is asked for the address: after a restart it knows before the API does.
pod_addresses() {
  local node subnet
  kubectl get nodes -o jsonpath='{range .items[*]}{.metadata.name} {.spec.podCIDR}{"\n"}{end}' 2>/dev/null | while read -r node subnet; do
    echo "$node $subnet $(docker inspect -f '{{.NetworkSettings.Networks.kind.IPAddress}}' "$node")"
  done
}
pod_addresses_known() {
  local all
  all=$(pod_addresses)
  [ "$(wc -l <<< "$all")" = "$(nodes_of_cluster | wc -l)" ] && awk 'NF != 3 {exit 1}' <<< "$all"
}

# The node brings kubectl, for machines that have none.
provide_kubectl() {
  have kubectl || docker cp -L "$name-control-plane:/usr/bin/kubectl" "$THAW_CACHE/bin/kubectl" >/dev/null
}

api_answers() { timeout 5 kubectl get --raw /readyz >/dev/null 2>&1; }

# Every node is Ready by word of a kubelet that spoke since this script began, and from every node the service addresses of the API and
# of cluster DNS answer. What the API remembers from before a restart counts for nothing.
is_well() {
  local node expected
  expected=$(nodes_of_cluster | wc -l)
  [ "$(timeout 10 kubectl get nodes --no-headers 2>/dev/null | awk '$2 == "Ready"' | wc -l)" = "$expected" ] || return 1
  [ "$(kubelets_that_spoke)" = "$expected" ] || return 1
  for node in $(nodes_of_cluster); do
    docker exec "$node" curl -sk -m 3 -o /dev/null https://10.96.0.1/readyz || return 1
    docker exec "$node" curl -s -m 3 -o /dev/null http://10.96.0.10:9153/metrics || return 1
  done
}

# Kubelets renew their lease every ten seconds; $restarted_at is empty where nothing was restarted.
restarted_at=
kubelets_that_spoke() {
  timeout 10 kubectl -n kube-node-lease get leases -o jsonpath='{range .items[*]}{.spec.renewTime}{"\n"}{end}' 2>/dev/null |
    awk -v since="$restarted_at" '$1 > since {n++} END {print n + 0}'
}

wait_for() { # SECONDS COMMAND...
  local end=$((SECONDS + $1))
  shift
  until "$@"; do
    [ $SECONDS -lt $end ] || return 1
    sleep 0.5
  done
}

remove_nodes() {
  local left
  rm -f "$folder/complete"
  empty_store
  left=$(nodes_of_cluster)
  [ -z "$left" ] || xargs docker rm -fv <<< "$left" >/dev/null
  rm -rf "$folder"
  mkdir -p "$folder"
}

# Nodes write to the store as root, and whoever runs this may not be.
empty_store() {
  [ -n "$(ls -A "$folder/store" 2>/dev/null)" ] || return 0
  is_root || docker run --rm -v "$folder/store:/store" --entrypoint find "$(hack/node-image/build)" /store -mindepth 1 -delete
}

cluster_down() {
  if [ ! -d "$folder" ]; then
    note "there is no cluster $name"
    return
  fi
  ensure_docker
  remove_nodes
  rm -rf "$folder"
  remove_network
  stop_our_dockerd
  step "cluster $name is gone"
}

# kind's network goes with the last cluster that used it.
remove_network() {
  [ -n "$(docker ps -aq --filter label=io.x-k8s.kind.cluster)" ] || docker network rm kind >/dev/null 2>&1 || true
}
