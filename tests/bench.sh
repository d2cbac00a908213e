#!/usr/bin/env bash
# Times the way outward, and the bare limit beside it: bash tests/bench.sh [REFERRALS]
#
# Builds the release, generates REFERRALS (100,000) and twice as many made-up referrals, and runs pull, select, map and
# deliver on each from a folder, best of five. Asserts nothing: docs/PERFORMANCE.md says how to read it.
# Needs ../shared. Runs in target/bench, which it empties, because the system's temporary folder may be memory.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
if [ ! -f ../shared/workload/generate.py ]; then
  echo "bench: ../shared is absent, and the made-up referrals come from there" >&2
  exit 2
fi
cargo build --release --locked
python3 tests/bench.py target/release/kith ../shared/workload target/bench "${1:-100000}"
