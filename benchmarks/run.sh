#!/usr/bin/env bash
# Measure the table "Speed of the measures" of README.md, in new environments. Prints Markdown with machine and date.
# For a release: benchmarks/run.sh --history benchmarks/history.jsonl
set -euo pipefail
cd "$(dirname "$0")/.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# PySODMetrics pins its packages, so it gets an environment of its own.
python3 -m venv "$work/peer"
"$work/peer/bin/pip" install -q pysodmetrics==1.6.2 numba deflate pillow pyarrow click rich
python3 -m venv "$work/own"
"$work/own/bin/pip" install -q .

export DISBENCH_CACHE="$work/cache"
PYTHONPATH=. "$work/peer/bin/python" benchmarks/summary.py "$@"
"$work/own/bin/python" benchmarks/command.py --peer "$work/peer/bin/python"
