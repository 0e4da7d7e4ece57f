# Using a cluster that is up. Sourced by hack/cluster: name, folder and kubeconfig are its.
# shellcheck shell=bash disable=SC2154

must_exist() { [ -f "$kubeconfig" ] || die "there is no cluster $name: hack/cluster up --name $name"; }

cluster_status() {
  must_exist
  docker ps -a --filter "label=io.x-k8s.kind.cluster=$name" --format '{{.Names}}: {{.Status}}'
  kubectl --kubeconfig "$kubeconfig" get nodes -o wide -L thaw.dev/checkpoint || die "the API server of $name does not answer: hack/cluster up --name $name"
}

# cluster_env: the endpoint's port is asked of Docker, for it may change when Docker restarts; the access key is there once Thaw is installed.
cluster_env() {
  must_exist
  local endpoint secret=(kubectl --kubeconfig "$kubeconfig" get secret thaw-access-key-default -n thaw-system) key
  endpoint=$(docker port "$name-control-plane" 30080/tcp 2>/dev/null | head -n 1)
  printf 'export KUBECONFIG=%q\nexport THAW_ENDPOINT=%q\nexport AWS_REGION=us-east-1\nexport AWS_DEFAULT_REGION=us-east-1\n' "$kubeconfig" "http://$endpoint"
  for key in AWS_ACCESS_KEY_ID=accessKeyId AWS_SECRET_ACCESS_KEY=secretAccessKey; do
    local value
    if value=$("${secret[@]}" -o "jsonpath={.data.${key#*=}}" 2>/dev/null) && [ -n "$value" ]; then
      printf 'export %s=%q\n' "${key%%=*}" "$(base64 -d <<< "$value")"
    else
      printf '# %s: Thaw is not installed yet (hack/deploy --name %s)\n' "${key%%=*}" "$name"
    fi
  done
  printf 'export PATH=%q:$PATH\n' "$THAW_BIN"
}

# cluster_load: images go straight into containerd; one whose content is there already is not sent again.
cluster_load() {
  must_exist
  [ $# -gt 0 ] || die "load-image wants images of Docker's, or archives (*.tar)"
  local image node
  for image in "$@"; do
    for node in $(docker ps --filter "label=io.x-k8s.kind.cluster=$name" --format '{{.Names}}'); do
      case $image in
        *.tar) docker exec -i "$node" ctr -n k8s.io images import - < "$image" >/dev/null ;;
        *) on_node "$node" "$image" || docker save "$image" | docker exec -i "$node" ctr -n k8s.io images import - >/dev/null ;;
      esac
    done
  done
}

on_node() { # NODE IMAGE
  local id; id=$(docker image inspect --format '{{.Id}}' "$2" 2>/dev/null) || die "Docker has no image $2"
  docker exec "$1" crictl inspecti -q "$2" 2>/dev/null | grep -q "$id" \
    || docker exec "$1" ctr -n k8s.io images ls -q 2>/dev/null | grep -qxF "thaw.local/loaded:${id#sha256:}"
}

cluster_logs() {
  must_exist
  local node component
  for node in $(docker ps -a --filter "label=io.x-k8s.kind.cluster=$name" --format '{{.Names}}'); do
    echo "=== node $node"
    docker exec "$node" sh -c 'tail -n 40 /var/log/node/*.log 2>/dev/null || journalctl -u kubelet -u containerd -n 80 --no-pager' || docker logs --tail 40 "$node"
  done
  for component in operator gateway agent; do
    echo "=== $component"
    kubectl --kubeconfig "$kubeconfig" logs -n thaw-system -l "app.kubernetes.io/component=$component" --tail 200 --prefix 2>/dev/null || true
  done
  echo "=== pods and events"
  kubectl --kubeconfig "$kubeconfig" get pods -A -o wide 2>/dev/null || true
  kubectl --kubeconfig "$kubeconfig" get events -A --sort-by=.lastTimestamp 2>/dev/null | tail -n 60 || true
}
