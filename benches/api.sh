#!/usr/bin/env bash
# How many questions the API answers a second, and how fast, while 10,000 probes a second are stored: wrk (Debian's package of that name)
# beside the optimised program, on the same cores. Prints the table of docs/performance.md.
set -euo pipefail
program=$(realpath "${CARGO_TARGET_DIR:-target}/release/pingu")
seconds=${1:-8}
work=$(mktemp -d)
pid=
trap '[ -z "$pid" ] || { kill "$pid" && wait "$pid"; } 2>/dev/null; rm -rf "$work"' EXIT
cd "$work"
{
    echo "defaults: {interval_seconds: 0.1, timeout_ms: 90}"
    echo "targets:"
    for number in $(seq 0 999); do
        echo "  - {name: t$number, type: icmp, host: 127.0.$((number / 250)).$((number % 250 + 1))}"
    done
} > targets.yaml
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
at=http://127.0.0.1:$port
MALLOC_ARENA_MAX=1 LISTEN=127.0.0.1:$port "$program" > log 2>&1 &
pid=$!
until python3 -c "import urllib.request as r; r.urlopen('$at/readyz', timeout=1)" 2>/dev/null; do
    kill -0 "$pid" || { cat log >&2; exit 1; }
    sleep 0.2
done
sleep 10

# The sum of a figure over its labels.
figure() {
    python3 -c "import urllib.request as r
print(sum(int(float(line.rsplit(' ', 1)[1])) for line in r.urlopen('$at/metrics').read().decode().splitlines()
          if line.split('{')[0].split(' ')[0] == '$1'))"
}

echo "| what | connections | requests a second | p99 |"
echo "| --- | --- | --- | --- |"
before=$(figure pingu_results_stored_total)
start=$SECONDS
while read -r connections path header; do
    # once before: what is kept between questions is there, as it is for whoever asks all the time
    curl -sfo /dev/null "$at$path"
    out=$(wrk -t1 -c"$connections" -d"${seconds}s" --latency ${header:+-H "$header"} "$at$path")
    if grep -q "Non-2xx" <<< "$out"; then
        echo "$path: $out" >&2
        exit 1
    fi
    rate=$(awk '/Requests\/sec/ { print $2 }' <<< "$out")
    slow=$(awk '$1 == "99%" { print $2 }' <<< "$out")
    echo "| \`$path\`${header:+, zstd} | $connections | $rate | $slow |"
done << 'QUESTIONS'
32 /health
32 /targets/t7
32 /results/latest-by-target
32 /results/latest-by-target Accept-Encoding: zstd
1 /targets/t7/results
1 /results/latest
1 /results/latest?limit=1000
1 /api/v1/targets/t7/series
1 /summary?window=15m
QUESTIONS
stored=$(( ($(figure pingu_results_stored_total) - before) / (SECONDS - start) ))
echo
echo "Stored meanwhile: $stored results a second; slots missed: $(figure pingu_slots_missed_total)."
