#!/usr/bin/env bash
# Medplum's FHIR router (npm, Apache-2.0): behind weak_server.cjs a server that leaves out what many leave out. Its
# definitions of base R4 serve the validator too.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/install/node.sh"
node_component fhir-router 4.5.2
