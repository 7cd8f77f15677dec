#!/bin/sh
# Every flag that a program's --help lists stands in the documentation: flags_documented.sh FILE PROGRAM…
set -eu
file=$1
shift
missing=0
for program; do
  # A settings file of whoever runs this would change nothing but is not ours to read.
  flags=$(cd / && "$program" --help | sed -n 's/^  \(--[a-z][a-z0-9-]*\).*/\1/p')
  if [ "$(echo "$flags" | wc -l)" -lt 5 ]; then
    echo "$program --help lists hardly any flag: $flags"
    exit 1
  fi
  for flag in $flags; do
    # The whole flag: --log is not documented by --log-level.
    if ! grep -qE -e "\`$flag[\` ]" "$file"; then
      echo "$file: $flag of $(basename "$program") is not in it"
      missing=1
    fi
  done
done
exit $missing
