# shellcheck shell=bash disable=SC2154
# Using a cluster. Sourced by hack/cluster, which sets name, folder and KUBECONFIG.

must_exist() { [ -f "$folder/complete" ] || die "there is no cluster $name: hack/cluster up --name $name"; }

cluster_status() {
  must_exist
  docker ps -a --filter "label=io.x-k8s.kind.cluster=$name" --format '{{.Names}}: {{.Status}} ({{.Image}})'
  kubectl get nodes -o wide || die "the API server of $name does not answer: hack/cluster up --name $name"
  echo "gateway: $(endpoint)"
}

endpoint() { echo "http://$(docker port "$name-control-plane" 30080/tcp | head -n 1)"; }

cluster_env() {
  must_exist
  local venv
  venv=$(venv_path)
  printf 'export KUBECONFIG=%q\n' "$KUBECONFIG"
  printf 'export THAW_ENDPOINT=%q\n' "$(endpoint)"
  printf 'export AWS_REGION=us-east-1 AWS_DEFAULT_REGION=us-east-1\n'
  printf 'export AWS_ACCESS_KEY_ID=%q\n' "$(access_key accessKeyId)"
  printf 'export AWS_SECRET_ACCESS_KEY=%q\n' "$(access_key secretAccessKey)"
  # shellcheck disable=SC2016  # the reader's shell expands PATH
  printf 'case ":$PATH:" in *:%q:*) ;; *) export PATH=%q:%q:"$PATH" ;; esac\n' "$venv/bin" "$venv/bin" "$THAW_CACHE/bin"
}

# Empty until Thaw is installed: the chart makes the key.
access_key() {
  kubectl get secret thaw-access-key-default -n thaw-system -o "jsonpath={.data.$1}" 2>/dev/null | base64 -d || true
}

cluster_load_image() {
  must_exist
  [ $# -gt 0 ] || die "load-image wants images of Docker's, or archives (*.tar)"
  local node
  for node in $(nodes_of_cluster); do load "$node" "$@"; done
}

# What a node has already, in this very build, is not sent again: it remembers what Docker calls it. The rest goes at once,
# layers that several images share only once.
load() { # NODE IMAGE|ARCHIVE...
  local node=$1 image missing=() import=(docker exec -i "$1" ctr -n k8s.io images import --snapshotter overlayfs -)
  for image in "${@:2}"; do
    if [ -f "$image" ]; then
      "${import[@]}" < "$image" >/dev/null
    elif ! loaded "$node" "$image"; then
      missing+=("$image")
    fi
  done
  [ ${#missing[@]} -gt 0 ] || return 0
  docker save "${missing[@]}" | "${import[@]}" >/dev/null
  for image in "${missing[@]}"; do
    docker exec "$node" sh -c "rm -f $(mark "$image" '*'); touch $(mark "$image" "$(image_id "$image")")"
  done
}

mark() { echo "/var/lib/containerd/.loaded-${2#sha256:}-$(tr '/:' '--' <<< "$1")"; } # IMAGE ID

loaded() { # NODE IMAGE
  local id reference=$2
  id=$(image_id "$2" 2>/dev/null) || die "Docker has no image $2"
  [[ ${reference%%/*} == *.* ]] || reference=docker.io/$([[ $reference == */* ]] || echo library/)$reference
  docker exec "$1" sh -c "[ -e $(mark "$2" "$id") ] && ctr -n k8s.io images ls -q | grep -qxF '$reference'"
}

cluster_logs() {
  [ -d "$folder" ] || must_exist
  local node component
  for node in $(nodes_of_cluster); do
    echo "=== node $node"
    docker logs --tail 20 "$node" 2>&1
    docker exec "$node" sh -c 'tail -n 60 /var/log/node/*.log 2>/dev/null || journalctl -u kubelet -u containerd -n 120 --no-pager' || true
  done
  for component in operator gateway agent; do
    echo "=== $component"
    kubectl logs -n thaw-system -l "app.kubernetes.io/component=$component" --all-containers --tail 200 --prefix 2>/dev/null || true
  done
  echo "=== pods and events"
  kubectl get pods -A -o wide 2>/dev/null || true
  kubectl get events -A --sort-by=.lastTimestamp 2>/dev/null | tail -n 60 || true
}
