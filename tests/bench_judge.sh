#!/usr/bin/env bash
# Times how returns are judged, and DuckDB's reader of CSV beside it: bash tests/bench_judge.sh [ROWS [TURNS]]
#
# Builds the release and its tests, installs DuckDB (pinned, with pip), and measures in one run: judging, from the bytes of a return of
# ROWS (50,000) made-up rows to what they tell, with the delivered rows in memory, on one core, in three styles; DuckDB reading the same files
# on one core; then collect and match of a full return through the store, on all cores, and DuckDB reading that return. TURNS (5) times each.
# Asserts nothing of time and memory: docs/PERFORMANCE.md says how to read it. Needs ../shared, and some 2 GB below
# target/bench-judge, which it empties, because the system's temporary folder may be memory.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
if [ ! -f ../shared/workload/generate.py ]; then
  echo "bench_judge: ../shared is absent, and the made-up referrals come from there" >&2
  exit 2
fi
bash tests/components/map_peers.sh
cargo build --release --locked
tests="$(cargo test --release --locked --lib --no-run --message-format=json |
  python3 -c 'import json, sys; print([json.loads(line).get("executable") for line in sys.stdin if "\"executable\":\"" in line][-1])')"
peers="${KITH_TEST_CACHE:-$HOME/.cache/kith-test}/map-peers/bin/python"
"$peers" tests/bench_judge.py "$tests" target/release/kith ../shared/workload target/bench-judge "${1:-50000}" "${2:-5}"
