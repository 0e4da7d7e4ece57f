# What the scripts of hack/ share: how they speak, where the cache is, and the tools they put there. Sourced, from the project's top.
# shellcheck shell=bash
THAW_CACHE=${THAW_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/thaw}
THAW_BIN=$THAW_CACHE/bin
export THAW_CACHE THAW_BIN PATH=$THAW_BIN:$PATH

KIND_VERSION=v0.33.0
KUBERNETES_VERSION=v1.37.2
ETCD_VERSION=v3.7.2
COREDNS_VERSION=v1.15.0
HELM_VERSION=v4.3.0
export KIND_VERSION KUBERNETES_VERSION ETCD_VERSION COREDNS_VERSION HELM_VERSION

step() { printf '\033[1m==>\033[0m %s\n' "$*" >&2; }
die() { printf 'error: %s\n' "$*" >&2; exit 1; }

# have_root: whether this user can install packages and start daemons.
have_root() { [ "$(id -u)" = 0 ]; }

# need COMMAND PACKAGE: installs a Debian package for a missing command, or says which one is missing.
need() {
  command -v "$1" >/dev/null && return
  have_root && command -v apt-get >/dev/null || die "$1 is missing: install the package $2"
  step "installing $2"
  apt_install "$2"
}

apt_install() {
  DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "$@" >/dev/null 2>&1 && return
  apt-get update -q >/dev/null 2>&1 || true
  DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "$@" >/dev/null 2>"$THAW_CACHE/apt.log" \
    || die "apt-get could not install $*: $(tail -n 1 "$THAW_CACHE/apt.log")"
}

# go_tool NAME VERSION PACKAGE: a command from a Go module, built once and kept by version.
go_tool() {
  local kept=$THAW_BIN/.$1-$2
  [ -x "$kept" ] || {
    command -v go >/dev/null || die "$1 is missing and there is no Go to build it with: install Go 1.26 or newer"
    step "building $1 $2"
    local dir; dir=$(mktemp -d)
    CGO_ENABLED=0 GOBIN=$dir GOFLAGS=-trimpath go install -ldflags "-s -w" "$3@$2" 2>"$dir/log" || die "building $1: $(tail -n 3 "$dir/log")"
    mv "$dir/$1" "$kept" && rm -rf "$dir"
  }
  ln -sfn "$(basename "$kept")" "$THAW_BIN/$1"
}

# python_environment: a virtualenv with Thaw and its tools at exact versions; made anew when those change.
python_environment() {
  local python key venv
  python=$(command -v python3) || die "python3 is missing: install Python 3.11 or newer"
  "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || die "$("$python" --version) is too old: Python 3.11 or newer is needed"
  key=$({ cat pyproject.toml constraints.txt; "$python" --version; pwd; } | sha256sum | cut -c1-12)
  venv=$THAW_CACHE/venv-$key
  [ -f "$venv/.complete" ] || {
    step "installing the Python environment"
    rm -rf "$venv"
    "$python" -m venv "$venv" 2>/dev/null || die "python3 cannot make a virtualenv: install python3-venv"
    "$venv/bin/pip" install -q --disable-pip-version-check -e '.[dev]' -c constraints.txt || die "pip could not install the project"
    touch "$venv/.complete"
  }
  export VIRTUAL_ENV=$venv PATH=$venv/bin:$PATH
}

# thaw_tools: everything that scripts and tests call by name.
thaw_tools() {
  mkdir -p "$THAW_BIN"
  command -v helm >/dev/null || go_tool helm "$HELM_VERSION" helm.sh/helm/v4/cmd/helm
  python_environment
}

# image_id IMAGE: Docker's content id, so that a rebuilt image rolls out under the same tag.
image_id() { docker image inspect --format '{{.Id}}' "$1" | cut -c8-19; }

# reachable URL: whether a registry answers at all, within a moment.
reachable() { curl -sS -o /dev/null --max-time 4 "$1" 2>/dev/null; }

# can_pull: whether images can be pulled here; THAW_IMAGES=pulled|assembled decides without asking.
can_pull() {
  case ${THAW_IMAGES:-} in
    pulled) return 0 ;;
    assembled) return 1 ;;
    '') reachable https://registry-1.docker.io/v2/ ;;
    *) die "THAW_IMAGES is '$THAW_IMAGES': it can be pulled or assembled" ;;
  esac
}

# debian_mirror: the Debian archive this machine installs from.
debian_mirror() {
  local mirror=${THAW_DEBIAN_MIRROR:-}
  [ -n "$mirror" ] || mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Label: Debian' 2>/dev/null | sort -u | head -n 1)
  [ -n "$mirror" ] || { apt-get update -q >/dev/null 2>&1; mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Label: Debian' 2>/dev/null | sort -u | head -n 1); }
  [ -n "$mirror" ] || die "no Debian archive among this machine's apt sources: set THAW_DEBIAN_MIRROR to one"
  printf '%s\n' "$mirror"
}

# bootstrap SUITE PACKAGES FOLDER: a Debian root file system without what containers do not need.
bootstrap() {
  need mmdebstrap mmdebstrap
  mmdebstrap --variant=minbase --aptopt='Acquire::Check-Valid-Until "false"' --include="$2" "$1" "$3" "$(debian_mirror)" \
    >"$THAW_CACHE/mmdebstrap.log" 2>&1 || die "mmdebstrap $1: $(tail -n 2 "$THAW_CACHE/mmdebstrap.log")"
  rm -rf "$3"/var/cache/apt/* "$3"/var/lib/apt/lists/* "$3"/usr/share/{doc,man,locale}
}
