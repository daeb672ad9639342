#!/usr/bin/env bash
# The lake's daily run: deploy/cron and deploy/kubernetes call it, deploy/airflow has the same steps.
#
#   lake-daily.sh [YYYY-MM-DD]   the UTC day to do; by default yesterday
#   EDDY=/opt/eddy/bin/eddy      the program; by default `eddy` on the PATH
#
# Every step may be repeated for the same day. The first one that fails ends the run with its exit
# code (docs/how-to/operations.md); then nothing is lost: repeat the run. It begins with a check, so that
# no day goes out that the sink has not brought yet, and ends with one of all that the topics hold.
set -euo pipefail

day=${1:-$(date -u -d yesterday +%F 2>/dev/null || date -u -v-1d +%F)}
if ! [[ $day =~ ^[0-9]{4}-[0-9]{2}-[0-9]{2}$ ]]; then
    echo "lake-daily.sh: $day: wants the form YYYY-MM-DD" >&2
    exit 2
fi

step() {
    echo "$(date -u +%FT%TZ) eddy $*" >&2
    "${EDDY:-eddy}" "$@"
}

step lake check --since-hours 48
step lake compact --date "$day"
step lake cluster-rides --date "$day"
step lake export --date "$day"
step lake check
