#!/usr/bin/env bash
# DuckDB and orjson (PyPI, MIT; Apache-2.0 or MIT): what an analyst would reach for instead of kith map, for tests/bench_map.sh.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/install/python.sh"
python_component map-peers 2.0.0
