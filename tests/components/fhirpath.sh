#!/usr/bin/env bash
# fhirpath.js, a FHIRPath engine that is not ours (npm), for the differential test.
set -euo pipefail
version=5.2.2
folder="${KITH_TEST_CACHE:-$HOME/.cache/kith-test}/fhirpath"
# The mark is written last, so that an install that was cut short is done again.
mark="$folder/kith-installed-$version"
[ -e "$mark" ] && exit 0

if ! command -v npm >/dev/null; then
  echo "tests: npm (with node) is needed to install the FHIRPath engine that the tests compare with" >&2
  exit 1
fi
echo "tests: installing fhirpath $version" >&2
rm -rf "$folder"
mkdir -p "$folder"
(cd "$folder" && npm install --silent --no-audit --no-fund --prefix "$folder" "fhirpath@$version" >/dev/null)
touch "$mark"
