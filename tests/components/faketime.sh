#!/usr/bin/env bash
# faketime: a clock of its own for one process, where a story goes on beyond today.
set -euo pipefail
ls /usr/lib/*/faketime/libfaketime.so.1 >/dev/null 2>&1 && exit 0

how="install faketime, on Debian: apt-get install faketime"
if ! command -v apt-get >/dev/null; then
  echo "tests: faketime is absent and there is no apt-get; $how" >&2
  exit 1
fi
if [ "$(id -u)" -ne 0 ]; then
  echo "tests: faketime is absent and only root can install it; $how" >&2
  exit 1
fi
echo "tests: installing faketime" >&2
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
apt-get install -y -qq --no-install-recommends faketime >/dev/null
