#!/usr/bin/env bash
# All benchmarks on one device, as a markdown table: within four minutes on a fresh card.
#
#   benchmarks/gpu.sh                          # auto: the card; the table goes to gpu.md
#   DEVICE=cuda:1 OUT=table.md benchmarks/gpu.sh
#   QUICK=1 DEVICE=cpu benchmarks/gpu.sh       # tiny sizes: it runs, its figures say nothing
#   CORPUS=runs/corpus ENCODER=runs/model benchmarks/gpu.sh    # with probes, which need a corpus of speech
#
# Each benchmark is a process with a limit; one that fails or is too slow is told in its row and stops no other.
set -u
cd "$(dirname "$0")/.." || exit 1
DEVICE=${DEVICE:-auto} OUT=${OUT:-gpu.md} PYTHON=${PYTHON:-python}
LOG=$(mktemp)
trap 'rm -f "$LOG"' EXIT

row() { # name, limit in seconds, command: every line that it prints is a row
    local name=$1 limit=$2 begun=$SECONDS code
    shift 2
    timeout "$limit" "$PYTHON" "$@" >"$LOG" 2>"$LOG.err"
    code=$?
    sed -e 's/|/\\|/g' -e "s/^/| $name | /" -e 's/$/ |/' "$LOG" | tee -a "$OUT"
    if [ $code -ne 0 ]; then
        echo "| $name | stopped with $code after $((SECONDS - begun)) s: $(tail -n 1 "$LOG.err" | tr '|' '/') |" | tee -a "$OUT"
    fi
    rm -f "$LOG.err"
}

printf '| benchmark | told |\n|---|---|\n' | tee "$OUT"
if [ -n "${QUICK:-}" ]; then
    ROWS=2000 SIZE=--size=128
    row machine 60 benchmarks/card.py --device "$DEVICE" $SIZE
    row training 200 benchmarks/pretrain.py --device "$DEVICE" --quick --threads 1
    row reading 100 benchmarks/encode.py --device "$DEVICE" --size tiny --utterances 4 --seconds 1 2 --rounds 1 --threads 1
    row analysis 100 benchmarks/analysis.py time --device "$DEVICE" --size small --utterances 6
    row k-means 100 benchmarks/kmeans.py --device "$DEVICE" --rows $ROWS --width 16 --clusters 20 --threads 1 --rounds 1
    row CCA 100 benchmarks/cca.py --device "$DEVICE" --rows 600 --width 24 --classes 20 --published-fits 0 --rounds 1
else
    row machine 30 benchmarks/card.py --device "$DEVICE"
    row training 80 benchmarks/pretrain.py --device "$DEVICE" --dtype bfloat16 --batch 16 --seconds 15.6 --rounds 1 --steps 8
    row "reading, bfloat16" 40 benchmarks/encode.py --device "$DEVICE" --dtype bfloat16 --utterances 96 --batch-seconds 400 --rounds 2
    row "reading, float32" 40 benchmarks/encode.py --device "$DEVICE" --utterances 96 --batch-seconds 400 --rounds 2
    row analysis 60 benchmarks/analysis.py time --device "$DEVICE" --utterances 360 --batch-seconds 400
    row k-means 30 benchmarks/kmeans.py --device "$DEVICE" --rounds 1
    row CCA 30 benchmarks/cca.py --device "$DEVICE" --published-fits 0
fi
if [ -n "${CORPUS:-}" ] && [ -n "${ENCODER:-}" ]; then
    row probes 40 benchmarks/probe.py "$CORPUS" --encoder "$ENCODER" --device "$DEVICE"
else
    echo "| probes | skipped: they need speech, CORPUS and ENCODER |" | tee -a "$OUT"
fi
echo "| all | $SECONDS s |" | tee -a "$OUT"
