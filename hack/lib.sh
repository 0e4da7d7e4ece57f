# shellcheck shell=bash
# What the scripts of hack/ share: messages, the cache, and the tools they need. Source it; it runs nothing by itself.

THAW_ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
THAW_CACHE=${THAW_CACHE:-$HOME/.cache/thaw}
export PATH=$PATH:/usr/sbin:/sbin
# shellcheck disable=SC2034  # some are for the scripts that source this
KIND_VERSION=v0.33.0
HELM_VERSION=v4.3.1
# shellcheck disable=SC2034
COREDNS_VERSION=v1.15.0

step() { printf '\033[1m==>\033[0m %s\n' "$*" >&2; }
note() { printf '    %s\n' "$*" >&2; }
die() { printf 'error: %s\n' "$*" >&2; exit 1; }
have() { command -v "$1" >/dev/null 2>&1; }
is_root() { [ "$(id -u)" = 0 ]; }

# hash_of FILE|FOLDER|STRING... : 12 characters that change with any content named
hash_of() {
  local item
  for item in "$@"; do
    if [ -d "$item" ]; then
      (cd "$item" && find . -type f -print0 | sort -z | xargs -0 sha256sum)
    elif [ -f "$item" ]; then
      sha256sum < "$item"
    else
      printf '%s\n' "$item"
    fi
  done | sha256sum | cut -c1-12
}

# locked NAME COMMAND... : one at a time on this machine. Whatever the command leaves running must close descriptor 9.
locked() {
  local lock=$1
  shift
  mkdir -p "$THAW_CACHE/locks"
  (
    flock -n 9 || { note "waiting for another run ($lock)"; flock 9; }
    "$@"
  ) 9> "$THAW_CACHE/locks/$lock"
}

# quietly LOG COMMAND... : the output goes to a file, and its end to the reader if the command fails
quietly() {
  local log=$1
  shift
  mkdir -p "$(dirname "$log")"
  "$@" > "$log" 2>&1 && return
  tail -n 20 "$log" >&2
  die "failed: $(basename "$1") ${*:2:3} (all of its output: $log)"
}

# need COMMAND DEBIAN-PACKAGE : installs it where that is possible
need() {
  have "$1" && return
  if ! is_root || ! have apt-get; then die "$1 is missing: install it (Debian's package $2)"; fi
  step "installing $2"
  quietly "$THAW_CACHE/logs/apt.log" apt_install "$2"
  have "$1" || die "$1 is still missing after installing $2"
}

# Services do not start by themselves: where it matters, we start them.
apt_install() {
  local policy=/usr/sbin/policy-rc.d ours=
  [ -e $policy ] || [ -d /run/systemd/system ] || { printf '#!/bin/sh\nexit 101\n' > $policy; chmod +x $policy; ours=1; }
  apt-get update -q || true
  DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "$@" || { [ -z "$ours" ] || rm -f $policy; return 1; }
  [ -z "$ours" ] || rm -f $policy
}

# The Debian mirror that this machine already uses, from its apt sources in either format.
debian_mirror() {
  local mirror=${THAW_DEBIAN_MIRROR:-}
  [ -n "$mirror" ] || mirror=$({
    cat /etc/apt/sources.list.d/*.sources 2>/dev/null | awk '/^URIs:/ {for (i = 2; i <= NF; i++) print $i}'
    cat /etc/apt/sources.list /etc/apt/sources.list.d/*.list 2>/dev/null | sed -nE 's/^deb +(\[[^]]*\] +)?([^ ]+) .*/\2/p'
  } | grep -E '/debian/?$' | head -n 1) || true
  [ -n "$mirror" ] || die "no Debian mirror in this machine's apt sources: name one in THAW_DEBIAN_MIRROR"
  echo "$mirror"
}

# Does the registry answer? Docker is asked which one it uses. Decides between pulled and assembled images; THAW_IMAGES overrides.
images_source() {
  local cached=$THAW_CACHE/images-source registry
  case ${THAW_IMAGES:-} in
    pulled | assembled) echo "$THAW_IMAGES"; return ;;
    '') ;;
    *) die "THAW_IMAGES is \"$THAW_IMAGES\": it may be pulled or assembled" ;;
  esac
  if [ -n "$(find "$cached" -mmin -60 2>/dev/null)" ]; then cat "$cached"; return; fi
  registry=$(docker info -f '{{.IndexServerAddress}}' 2>/dev/null)
  mkdir -p "$THAW_CACHE"
  if registry_answers "$registry"; then echo pulled; else echo assembled; fi | tee "$cached"
}

# A registry that wants a token first (401) is one that answers.
registry_answers() { # ADDRESS
  python3 - "$1" <<'PYTHON' 2>/dev/null
import sys, urllib.error, urllib.parse, urllib.request
address = urllib.parse.urlsplit(sys.argv[1])
try:
    urllib.request.urlopen(f"{address.scheme}://{address.netloc}/v2/", timeout=5)
except urllib.error.HTTPError as answer:
    sys.exit(answer.code != 401)
PYTHON
}

check_go() {
  have go || { echo "Go is missing: install Go 1.26 or newer (go.dev/dl)"; return 1; }
  local minor
  minor=$(go env GOVERSION | sed -nE 's/^go1\.([0-9]+).*/\1/p')
  [ "${minor:-0}" -ge 26 ] || { echo "Go is too old ($(go env GOVERSION)): install Go 1.26 or newer (go.dev/dl)"; return 1; }
}

# go_tool NAME PACKAGE VERSION : a program from its Go module, in the cache's bin
go_tool() {
  local name=$1 package=$2 version=$3 folder
  folder=$THAW_CACHE/tools/$name-$version
  if [ ! -x "$folder/$name" ]; then
    check_go >/dev/null || die "$(check_go)"
    step "building $name $version"
    quietly "$THAW_CACHE/logs/$name.log" env CGO_ENABLED=0 GOBIN="$folder.part" go install -trimpath -ldflags "-s -w" "$package@$version"
    rm -rf "$folder" && mv "$folder.part" "$folder"
  fi
  mkdir -p "$THAW_CACHE/bin" && ln -sf "$folder/$name" "$THAW_CACHE/bin/$name"
}

kind() { "$THAW_CACHE/bin/kind" "$@"; }

# image_id IMAGE : what it is, whatever it is called
image_id() { docker image inspect -f '{{.Id}}' "$1"; }

# cluster_argument ARGUMENTS... : the name in "--name NAME", thaw without it; anything else is refused, with the script's usage line.
cluster_argument() {
  case $#:${1:-} in
    0:) echo thaw ;;
    2:--name) echo "$2" ;;
    *) die "$(sed -n 's/^# usage: /usage: /p' "$0")" ;;
  esac
}

venv_path() {
  echo "$THAW_CACHE/venv-$(hash_of "of $THAW_ROOT" "$THAW_ROOT/pyproject.toml" "$THAW_ROOT/constraints.txt" "$(python3 -V)")"
}

make_venv() {
  local venv=$1
  [ ! -e "$venv/complete" ] || return 0
  step "installing Python packages (about a minute, once)"
  rm -rf "$venv"
  quietly "$THAW_CACHE/logs/venv.log" python3 -m venv "$venv"
  quietly "$THAW_CACHE/logs/venv.log" "$venv/bin/pip" install -q --disable-pip-version-check \
    -e "${THAW_ROOT}[dev]" -c "$THAW_ROOT/constraints.txt"
  touch "$venv/complete"
}

# thaw_tools : Python with the project's packages, and Helm, in PATH; makes what is missing. (hack/cluster brings kind and kubectl.)
thaw_tools() {
  local venv
  python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || die "Python 3.11 or newer is missing"
  if ! python3 -c 'import ensurepip' 2>/dev/null; then
    is_root || die "Python cannot make a virtualenv: install it (Debian's package python3-venv)"
    quietly "$THAW_CACHE/logs/apt.log" apt_install python3-venv
  fi
  venv=$(venv_path)
  [ -e "$venv/complete" ] || locked venv make_venv "$venv"
  locked tools make_tools
  export PATH="$venv/bin:$THAW_CACHE/bin:$PATH" VIRTUAL_ENV=$venv
}

make_tools() {
  helm version --short 2>/dev/null | grep -q '^v[4-9]' || go_tool helm helm.sh/helm/v4/cmd/helm "$HELM_VERSION"
}
