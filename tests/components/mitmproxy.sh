#!/usr/bin/env bash
# mitmproxy (PyPI, MIT): between Kith and a server, it loses answers to what the server has done.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/install/python.sh"
python_component mitmproxy 11.0.2
