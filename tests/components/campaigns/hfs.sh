#!/usr/bin/env bash
# helios-hfs, a strict FHIR R4 server (crates.io, MIT), for the campaign `hfs` only: its build takes half an hour, one of
# its crates 4.3 GB of memory.
set -euo pipefail
version=0.2.7
cache="${KITH_TEST_CACHE:-$HOME/.cache/kith-test}"
mark="$cache/hfs-installed-$version"
[ -e "$mark" ] && exit 0

echo "tests: building helios-hfs $version, which takes half an hour" >&2
CARGO_BUILD_JOBS=1 CARGO_PROFILE_RELEASE_OPT_LEVEL=1 CARGO_PROFILE_RELEASE_LTO=off \
  nice -n 19 cargo install helios-hfs --version "$version" --locked --quiet \
  --no-default-features --features R4,sqlite,subscriptions --root "$cache"
touch "$mark"
