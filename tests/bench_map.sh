#!/usr/bin/env bash
# Times kith map beside what an analyst would reach for, in one run: bash tests/bench_map.sh [REFERRALS] [LARGE]
#
# Builds the release, installs DuckDB and orjson (pinned, with pip), generates REFERRALS (100,000) made-up referrals, and has partner
# `everyone` made of them by kith, by DuckDB and by Python, in turns. Then a tenth as many and LARGE (1,000,000; 0 for none) by kith alone.
# Asserts nothing about time; that all cells agree it does. docs/PERFORMANCE.md says how to read it.
# Needs ../shared. Runs in target/bench-map, which it empties.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
if [ ! -f ../shared/workload/generate.py ]; then
  echo "bench: ../shared is absent, and the made-up referrals come from there" >&2
  exit 2
fi
bash tests/components/map_peers.sh
cargo build --release --locked
peers="${KITH_TEST_CACHE:-$HOME/.cache/kith-test}/map-peers/bin/python"
"$peers" tests/bench_map/bench.py target/release/kith ../shared/workload target/bench-map mappings/codes/activities.csv "${1:-100000}" "${2:-1000000}"
