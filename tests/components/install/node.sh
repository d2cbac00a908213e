# Installs a component of npm into a folder of its own: sourced, then node_component NAME VERSION.
#
# Every package and its digest are in locks/NAME/package-lock.json; npm takes nothing else, and runs no script of theirs.
node_component() {
  local name="$1" version="$2" here cache folder mark
  here="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
  cache="${KITH_TEST_CACHE:-$HOME/.cache/kith-test}"
  folder="$cache/$name"
  # The mark is written last, so that an install that was cut short is done again.
  mark="$folder/kith-installed-$version"
  if [ -e "$mark" ]; then
    return
  fi
  mkdir -p "$cache"
  # One install at a time: a second run of the tests waits and then finds the mark.
  exec 9>"$cache/$name.lock"
  if command -v flock >/dev/null; then
    flock 9
  fi
  if [ -e "$mark" ]; then
    return
  fi
  if ! command -v npm >/dev/null; then
    echo "tests: node 20 with npm is needed to install $name; on Debian: apt-get install nodejs npm" >&2
    return 1
  fi
  echo "tests: installing $name $version" >&2
  rm -rf "$folder"
  mkdir -p "$folder"
  cp "$here/locks/$name/package.json" "$here/locks/$name/package-lock.json" "$folder/"
  npm ci --prefix "$folder" --ignore-scripts --no-audit --no-fund --loglevel=error >&2
  touch "$mark"
}
