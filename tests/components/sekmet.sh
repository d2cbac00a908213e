#!/usr/bin/env bash
# sekmet-fhir, a FHIR R4 server that is not ours (PyPI, Apache-2.0), in a Python environment of its own.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/install/python.sh"
python_component sekmet 0.1.1
