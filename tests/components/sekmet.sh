#!/usr/bin/env bash
# sekmet-fhir, a FHIR R4 server that is not ours (PyPI, Apache-2.0), in a Python environment of its own.
set -euo pipefail
version=0.1.1
folder="${KITH_TEST_CACHE:-$HOME/.cache/kith-test}/sekmet"
# The mark is written last, so that an install that was cut short is done again.
mark="$folder/kith-installed-$version"
[ -e "$mark" ] && exit 0

if ! command -v python3 >/dev/null; then
  echo "tests: python3 is needed to install the FHIR server that the tests talk to" >&2
  exit 1
fi
echo "tests: installing sekmet-fhir $version" >&2
mkdir -p "$(dirname "$folder")"
rm -rf "$folder"
if ! python3 -m venv "$folder"; then
  echo "tests: python3 cannot make a virtual environment; on Debian: apt-get install python3-venv" >&2
  exit 1
fi
"$folder/bin/pip" install --quiet --disable-pip-version-check "sekmet-fhir==$version"
touch "$mark"
