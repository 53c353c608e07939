#!/usr/bin/env bash
# Tests the pages in Chromium, against a binary that is built: `tests/browser/run.sh target/debug/bytefit`.
# With PICTURES=DIRECTORY the pages are drawn into files there.
set -euo pipefail
BYTEFIT=$(realpath "${1:-target/debug/bytefit}")
PICTURES=${PICTURES:+$(realpath "$PICTURES")}
export BYTEFIT PICTURES CHROMIUM=${CHROMIUM:-$(command -v chromium)}
cd "$(dirname "$0")"
npm install --silent --no-package-lock --no-audit --no-fund
node --test --test-concurrency=1 .
