#!/usr/bin/env bash
# oidc-provider (npm, MIT): behind token_server.mjs a token server that is not ours, for SMART Backend Services.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/install/node.sh"
node_component oidc-provider 9.13.3
