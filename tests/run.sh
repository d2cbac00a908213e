#!/usr/bin/env bash
# Installs the test components that this machine lacks, runs every test, and names the slowest: bash tests/run.sh
#
# KITH_TEST_CACHE  where installed components are kept (default ~/.cache/kith-test)
# KITH_SHARED      "required": fail where ../shared is absent, instead of saying what was skipped
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
exec </dev/null
export KITH_TEST_CACHE="${KITH_TEST_CACHE:-$HOME/.cache/kith-test}"

for component in tests/components/*.sh; do
  bash "$component"
done

# The harness tells how long a test took only if this variable lets it. It is set for the running tests alone: cargo itself
# would build every dependency again.
target="$(rustc -vV | sed -n 's/^host: //p' | tr 'a-z-' 'A-Z_')"
export "CARGO_TARGET_${target}_RUNNER=env RUSTC_BOOTSTRAP=1"
log="$(mktemp)"
trap 'rm -f "$log"' EXIT
failed=0
cargo test --locked --tests --no-fail-fast -- -Z unstable-options --report-time | tee "$log" || failed=1
cargo test --locked --doc || failed=1
echo "the ten slowest tests, in seconds:"
sed -nE 's/^test (.*) \.\.\. (ok|FAILED) <([0-9.]+)s>$/\3 \1/p' "$log" | sort -rn | sed -n 1,10p
exit "$failed"
