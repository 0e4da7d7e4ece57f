# shellcheck shell=bash
# Docker: found running, or installed and started where we may. Source it after lib.sh.

docker_answers() { docker info >/dev/null 2>&1; }

# may_use_docker : says in one line why not
may_use_docker() {
  docker_answers && return
  is_root || { echo "Docker does not answer and you are not root: start Docker (or join its group), or run this as root"; return 1; }
  have dockerd || have apt-get || { echo "Docker is missing and this system has no apt-get: install Docker"; return 1; }
}

ensure_docker() {
  if docker_answers; then
    has_cap_sys_resource || [ "$(docker info -f '{{.DefaultRuntime}}')" != runc ] ||
      note "this machine lacks CAP_SYS_RESOURCE and Docker was not started for that: if kind fails, stop Docker and run this again"
    return
  fi
  may_use_docker >/dev/null || die "$(may_use_docker)"
  if ! have dockerd || ! have docker; then need dockerd docker.io; fi
  have docker || need docker docker-cli
  locked docker start_docker
}

start_docker() {
  docker_answers && return
  step "starting Docker"
  if [ -d /run/systemd/system ] && has_cap_sys_resource; then
    quietly "$THAW_CACHE/logs/docker-start.log" systemctl start docker
  else
    start_dockerd
    wait_for_docker
    cp /var/run/docker.pid "$THAW_CACHE/docker/pid"
  fi
  wait_for_docker
}

# A daemon that we started ends with the last container.
stop_our_dockerd() {
  local pid i
  pid=$(cat "$THAW_CACHE/docker/pid" 2>/dev/null) || return 0
  if [ "$pid" != "$(cat /var/run/docker.pid 2>/dev/null)" ] || [ -n "$(docker ps -aq)" ]; then return 0; fi
  step "stopping Docker, which hack/cluster had started"
  kill "$pid"
  for ((i = 0; i < 60; i++)); do
    kill -0 "$pid" 2>/dev/null || break
    sleep 0.25
  done
  rm -f "$THAW_CACHE/docker/pid"
}

# Without an init system: a daemon in a session of its own, which outlives this script and holds none of its descriptors.
start_dockerd() {
  local options=() log=$THAW_CACHE/logs/dockerd.log
  mkdir -p "$THAW_CACHE/logs" "$THAW_CACHE/docker"
  has_cap_sys_resource || options=(--add-runtime "thaw-runc-nocap=$(nocap_runtime)" --default-runtime thaw-runc-nocap)
  # A daemon that was killed leaves its pid file, and a dead containerd's, behind; they would keep the next one from starting.
  pgrep -x dockerd >/dev/null || rm -f /var/run/docker.pid /var/run/docker/containerd/containerd.pid
  setsid dockerd "${options[@]}" > "$log" 2>&1 < /dev/null 9>&- &
}

wait_for_docker() {
  local i
  for ((i = 0; i < 120; i++)); do
    docker_answers && return
    sleep 0.5
  done
  tail -n 5 "$THAW_CACHE/logs/dockerd.log" >&2 2>/dev/null || true
  die "Docker did not start within a minute (its output: $THAW_CACHE/logs/dockerd.log)"
}

# Where this machine lacks CAP_SYS_RESOURCE, runc cannot start a privileged container: it would have to give what nobody has.
has_cap_sys_resource() { (( 0x$(awk '/^CapBnd/ {print $2}' /proc/self/status) >> 24 & 1 )); }

nocap_runtime() {
  install -m 755 "$THAW_ROOT/hack/runc-nocap" "$THAW_CACHE/docker/runc-nocap"
  echo "$THAW_CACHE/docker/runc-nocap"
}
