#!/usr/bin/env bash
# Installs the test components that this machine lacks, then runs every test: bash tests/run.sh
#
# KITH_TEST_CACHE  where installed components are kept (default ~/.cache/kith-test)
# KITH_SHARED      "required": fail where ../shared is absent, instead of saying what was skipped
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
export KITH_TEST_CACHE="${KITH_TEST_CACHE:-$HOME/.cache/kith-test}"

for component in tests/components/*.sh; do
  bash "$component" </dev/null
done
cargo test --locked </dev/null
