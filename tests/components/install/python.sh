# Installs a Python component into an environment of its own: sourced, then python_component NAME VERSION.
#
# Every package and its digests are in locks/NAME.txt, made with pip-compile --generate-hashes on Python 3.11; pip takes
# nothing else. The components' pins clash, hence one environment each.
python_component() {
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
  if ! command -v python3 >/dev/null; then
    echo "tests: python3 is needed to install $name" >&2
    return 1
  fi
  echo "tests: installing $name $version" >&2
  rm -rf "$folder"
  if ! python3 -m venv "$folder"; then
    echo "tests: python3 cannot make a virtual environment; on Debian: apt-get install python3-venv" >&2
    return 1
  fi
  "$folder/bin/pip" install --quiet --disable-pip-version-check --require-hashes -r "$here/locks/$name.txt"
  touch "$mark"
}
