#!/usr/bin/env bash
# Load on a running system: bash tests/run_load_test.sh HOST USERS SPAWN_RATE DURATION
# As in: bash tests/run_load_test.sh http://localhost:8000 20 5 2m. Exit code 1 when a target was missed.
set -euo pipefail
cd "$(dirname "$0")/.."

HOST=${1:-http://localhost:8000}
USERS=${2:-20}
SPAWN_RATE=${3:-5}
DURATION=${4:-2m}

LOCUST=.venv/bin/locust
[[ -x $LOCUST ]] || LOCUST=$(command -v locust) || {
  echo "locust is not installed. Run make test once, or pip install locust." >&2
  exit 2
}
exec "$LOCUST" -f tests/load_test.py --host "$HOST" --users "$USERS" --spawn-rate "$SPAWN_RATE" \
  --run-time "$DURATION" --headless --only-summary --stop-timeout 10
