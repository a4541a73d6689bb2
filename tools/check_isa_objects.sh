#!/bin/sh
# check_isa_objects.sh OBJECT... : objects compiled for one instruction set must define no weak symbol. The linker keeps one copy of a
# weak function for the whole program, and were it the AVX-512 one, the program would die on other processors.
set -eu
found=0
for object in "$@"; do
  weak=$(nm --defined-only "$object" | awk '$2 ~ /^[WwVvu]$/ {print $3}' | c++filt)
  if [ -n "$weak" ]; then
    echo "$object defines weak symbols:"
    echo "$weak"
    found=1
  fi
done
[ "$#" -gt 0 ] || { echo "no objects given"; exit 1; }
exit "$found"
