#!/usr/bin/env bash
# LibreOffice Calc without a screen: the spreadsheet in which the tests open what partners would open.
set -euo pipefail
command -v soffice >/dev/null && exit 0

how="install LibreOffice Calc so that soffice is found, on Debian: apt-get install libreoffice-calc-nogui"
if ! command -v apt-get >/dev/null; then
  echo "tests: soffice is absent and there is no apt-get; $how" >&2
  exit 1
fi
if [ "$(id -u)" -ne 0 ]; then
  echo "tests: soffice is absent and only root can install it; $how" >&2
  exit 1
fi
echo "tests: installing libreoffice-calc-nogui" >&2
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
apt-get install -y -qq --no-install-recommends libreoffice-calc-nogui >/dev/null
