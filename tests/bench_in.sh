#!/usr/bin/env bash
# Times the way in from partners: bash tests/bench_in.sh [REFERRALS [TURNS [OTHER_PROGRAM …]]]
#
# Builds the release, delivers REFERRALS (300,000) made-up referrals to 30 partners and a full return's worth to one, makes
# returns of the drops, and runs collect and match on them, TURNS (3) times; other programs take turns with the release.
# Asserts nothing of time and memory: docs/PERFORMANCE.md says how to read it. Needs ../shared, and some 10 GB below
# target/bench-in, which it empties, because the system's temporary folder may be memory.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
if [ ! -f ../shared/workload/generate.py ]; then
  echo "bench_in: ../shared is absent, and the made-up referrals come from there" >&2
  exit 2
fi
cargo build --release --locked
python3 tests/bench_in.py ../shared/workload target/bench-in "${1:-300000}" "${2:-3}" target/release/kith "${@:3}"
