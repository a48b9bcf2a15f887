#!/usr/bin/env bash
# The tables of docs/scale.md are what tools/scale_model computes, and it says so where they are not.
#
# Usage: scale_doc_test.sh SCALE_MODEL PAGE
set -uo pipefail
model=$1 page=$2
"$model" --check "$page" || exit 1

other=$(mktemp)
trap 'rm -f "$other"' EXIT
sed 's/| 1,000 | /| 1,001 | /' "$page" >"$other"
if said=$("$model" --check "$other" 2>&1); then
  printf 'a table that is wrong was found right\n'
  exit 1
fi
[[ "$said" == *"run tools/scale_model"* ]] || { printf 'it said: %s\n' "$said"; exit 1; }
