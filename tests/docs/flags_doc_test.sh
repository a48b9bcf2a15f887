#!/usr/bin/env bash
# docs/flags.md is what tools/flags_doc writes from this server.
#
# Usage: flags_doc_test.sh FLAGS_DOC SERVER FLAGS_MD
set -euo pipefail

if ! diff --unified "$3" <("$1" "$2"); then
  echo "docs/flags.md is out of date. Run: tools/flags_doc bazel-bin/server/server > docs/flags.md" >&2
  exit 1
fi
