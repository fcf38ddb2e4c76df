#!/bin/sh
# Trains a small GPT on Shakespeare and shows what it writes: about five
# minutes on two cores. Installs what is missing (as root), builds, prepares
# the text, trains. Arguments go to the training:
#
#   scripts/demo.sh
#   scripts/demo.sh --set train.steps=50
set -eu
cd "$(dirname "$0")/.."

scripts/setup.sh build
scripts/build.sh build cairn -DCMAKE_BUILD_TYPE=Release

text=examples/data/tinyshakespeare.txt
train=runs/data/shakespeare_train.bin
valid=runs/data/shakespeare_valid.bin
if [ ! -s "$train" ] || [ ! -s "$valid" ]; then
  mkdir -p runs/data
  build/launcher/cairn data prepare --tokenizer char --input "$text" \
    --output "$train" --valid "$valid" --valid-fraction 0.1
fi

run=runs/shakespeare-$(date +%Y%m%d-%H%M%S)
build/launcher/cairn train examples/shakespeare.toml \
  --set "run.directory=$run" "$@"

# What guessing letters by how often they occur would lose.
unigram=$(od -An -v -tu1 -w1 "$text" | sort | uniq -c | awk '
  { count[NR] = $1; total += $1 }
  END { for (i in count) h -= count[i] / total * log(count[i] / total)
        printf "%.3f", h }')
loss=$(grep -o '"valid_loss":[0-9.e+-]*' "$run/metrics.jsonl" | tail -n 1 |
  cut -d: -f2)
echo
echo "validation loss: ${loss:-none} nats a letter"
echo "without a model: $unigram nats a letter (unigram entropy)"
echo "the run is in:   $run"
