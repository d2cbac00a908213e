#!/usr/bin/env bash
# Times the GP side beside a bare client of the same server: bash tests/bench_gp.sh [pull|bulk|push]…  (default: all three)
#
#   pull   100,000 ServiceRequests with their Patients by search, beside a bare download of the same pages
#   bulk   1,000,000 resources by Bulk Data, beside a bare download of the same files
#   push   20,000 Observations, beside a bare client that sends the same transactions
#
# KITH_BENCH_SERVER  for pull and push: sandbox (the default: our own, the fastest and so the hardest to keep up with), or a server
#                    that is not ours: sekmet, or hfs (helios-hfs), whose first build takes half an hour. bulk always reads the sandbox
# KITH_BENCH_SCALE   divides the counts (10 for a tenth)
# Asserts nothing: docs/PERFORMANCE.md says how to read it.
# Needs ../shared. Runs in target/bench, which it empties.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
if [ ! -f ../shared/workload/generate.py ]; then
  echo "bench: ../shared is absent, and the made-up referrals come from there" >&2
  exit 2
fi
case "${KITH_BENCH_SERVER:-sandbox}" in
  sekmet) bash tests/components/sekmet.sh ;;
  hfs)
    bash tests/components/fhir_router.sh
    bash tests/components/campaigns/hfs.sh
    ;;
esac
cargo build --release --locked
python3 tests/bench_gp.py target/release/kith ../shared/workload target/bench "${@:-all}"
