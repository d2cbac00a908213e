#!/usr/bin/env bash
# Runs a long campaign, resumably, and logs its result: bash tests/campaign.sh NAME [--seed S] [--count N]
#
#   loop-sekmet   the loop against sekmet-fhir, N times 1,000 referrals, seeds S to S+N-1 (default 10)
#   gp-kill       ten kills of pull and push behind a proxy that loses answers, seeds S to S+N-1 (default 20)
#   hfs           the loop against helios-hfs, two tenants, tokens of oidc-provider, seeds S to S+N-1 (default 3)
#   gp-faults     the loop against a misbehaving GP system, N times 60 referrals, seeds S to S+N-1 (default 300)
#   starts        5,000 starts of commands, twelve at once, N times (default 1)
#   runs          200 acts of a person beside runs of two processes, N times (default 1)
#   fhirpath      made-up expressions against fhirpath.js, N times 10,000, seeds S to S+N-1 (default 1)
#   disks         disks that are full, read-only, slow (5 s a call) …, each for one to three runs, N times (default 1)
#   certificates  seeded servers and folders, honest ones and ones that leave something out, N times 200 of each, seeds S to S+N-1 (default 1)
#   identity      rows from folders and servers of the same people under ids that clash, N times 300 of each, seeds S to S+N-1 (default 1)
#   sheets        every kind of damaged CSV in three layouts, against the rule book of ../shared/sheets, seeds S to S+N-1 (default 2)
#   geometry      made-up returns whose cells have moved, 10,000 rows of each kind, and 100,000 clean rows, seeds S to S+N-1 (default 5)
#   receipts      receipts of returns with every kind of mistake, mended as they say and sent back, N times 520 people, seeds S to S+N-1 (default 4)
#   opened        every kind of CSV that we write, opened in LibreOffice under three delimiters in two languages, N times (default 1)
#   histories     sheets that come again, older, corrected, undone and contradicting themselves, N times 50 partners, seeds S to S+N-1 (default 20)
#   races         a partner swaps its folders for links while Kith works in them, N times 200 rounds a folder (default 1)
#
# hfs builds its server where $KITH_TEST_CACHE/bin/hfs is not there yet: half an hour.
# What has passed is remembered in target/campaigns; a campaign that was stopped goes on where it was. A failure prints
# the seed that replays it. A finished campaign adds its line to docs/CAMPAIGNS.md.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

usage() {
  sed -n '2,19p' "${BASH_SOURCE[0]}" | sed 's/^# \{0,1\}//' >&2
  exit 2
}

name="${1:-}"
target="--test suite"
case "$name" in
  loop-sekmet) tests=loop_fhir:: count=10 parts="sekmet" ;;
  gp-kill) tests=gp_kill:: count=20 parts="sekmet mitmproxy" ;;
  hfs) tests=gp_servers::the_loop_passes_with_the_tokens count=3 parts="fhir_router oidc_provider campaigns/hfs" ;;
  gp-faults) tests=gp_faults::seed_01 count=300 parts="" ;;
  starts) tests=starts:: count=1 parts="" ;;
  runs) tests=runs::two_practices count=1 parts="" ;;
  fhirpath) tests=fhirpath_other:: count=1 parts="fhirpath" ;;
  disks) tests=disks:: count=1 parts="" ;;
  certificates) target="--lib" tests=certificates_of count=1 parts="" ;;
  identity) tests=identity_seeds:: count=1 parts="" ;;
  sheets) tests=sheets::damaged count=2 parts="" ;;
  geometry) target="--lib" tests=matching::made count=5 parts="" ;;
  receipts) tests=mended:: count=4 parts="" ;;
  opened) tests=opened:: count=1 parts="libreoffice" ;;
  histories) target="--lib" tests=whatever_comes_again count=20 parts="" ;;
  races) target="--lib" tests=transport::contract::race count=1 parts="" ;;
  *) usage ;;
esac
shift
seed=1
while [ $# -gt 0 ]; do
  [ $# -ge 2 ] || usage
  case "$1" in
    --seed) seed="$2" ;;
    --count) count="$2" ;;
    *) usage ;;
  esac
  shift 2
done
case "$seed$count" in *[!0-9]* | "") usage ;; esac

revision="$(git rev-parse --short HEAD 2>/dev/null || echo uncommitted)"
mkdir -p target/campaigns
done_file="target/campaigns/$name-$revision"
touch "$done_file"
for part in $parts; do
  bash "tests/components/$part.sh" </dev/null
done
[ "$name" != hfs ] || export KITH_TEST_SERVER=hfs
[ "$name" != fhirpath ] || export KITH_TEST_COUNT=10000
[ "$name" != starts ] || export KITH_TEST_COUNT=5000
[ "$name" != races ] || export KITH_TEST_COUNT=200
[ "$name" != disks ] || export KITH_TEST_COUNT=1
[ "$name" != certificates ] || export KITH_TEST_COUNT=200
[ "$name" != identity ] || export KITH_TEST_COUNT=300
[ "$name" != geometry ] || export KITH_TEST_COUNT=10000
[ "$name" != histories ] || export KITH_TEST_COUNT=50
[ "$name" != runs ] || export KITH_TEST_COUNT=200

for ((current = seed; current < seed + count; current++)); do
  grep -qx "$current" "$done_file" && continue
  echo "$name: seed $current" >&2
  if ! KITH_SHARED=required KITH_TEST_SEED="$current" \
    cargo test --quiet --locked $target "$tests" </dev/null; then
    echo "$name: failed; bash tests/campaign.sh $name --seed $current --count 1 replays it" >&2
    exit 1
  fi
  echo "$current" >>"$done_file"
done
row="| $(date -u +%Y-%m-%d) | $name | seeds $seed to $((seed + count - 1)) | $revision | $count of $count passed |"
echo "$row" >>docs/CAMPAIGNS.md
echo "$row"
