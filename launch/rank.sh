#!/usr/bin/env bash
# Becomes one rank: gives it its share of this host's cores and its GPU, then turns into the program.
# mpirun and srun say who we are; nothing here depends on which of them it was.
set -euo pipefail

if [[ ${1:-} == -h || ${1:-} == --help || $# == 0 ]]; then
  cat <<END
usage: launch/rank.sh PROGRAM [arguments ...]
       launch/rank.sh --cores

Started by mpirun or srun, once per rank (launch/run does it): binds the rank to its share of the host's cores, shows it
its GPU alone (CUDA_VISIBLE_DEVICES), sets OMP_NUM_THREADS unless it is set, and marks the lines of ranks other than 0.
--cores prints the host's cores, one a line with its hardware threads, and starts nothing.

example: mpirun -n 4 --bind-to none launch/rank.sh lact train configs/nvs/character_64.yaml data.path=FOLDER
END
  exit $(($# == 0 ? 2 : 0))
fi

# The cores we may use, each as its hardware threads '0,32', neighbours first.
cores_of_host() {
  local range cpu first last key package topology
  declare -A seen=()
  for range in $(sed -n 's/,/ /g; s/^Cpus_allowed_list:\s*//p' /proc/self/status); do
    first=${range%-*} last=${range#*-}
    for ((cpu = first; cpu <= last; ++cpu)); do
      topology=/sys/devices/system/cpu/cpu$cpu/topology
      key=$cpu package=0
      if [[ -r $topology/thread_siblings_list ]]; then
        key=$(<"$topology/thread_siblings_list")
        package=$(<"$topology/physical_package_id")
      fi
      if [[ -z ${seen[$key]:-} ]]; then seen[$key]="$package $cpu $cpu"; else seen[$key]+=,$cpu; fi
    done
  done
  printf '%s\n' "${seen[@]}" | sort -n -k1,1 -k2,2 | cut -d' ' -f3
}
if [[ $1 == --cores ]]; then cores_of_host && exit 0; fi
mapfile -t cores < <(cores_of_host)

# Ranks on this host under srun: entry SLURM_NODEID of a list such as 2(x3),1.
slurm_local_ranks() {
  local entry times node=${SLURM_NODEID:-0}
  for entry in ${SLURM_STEP_TASKS_PER_NODE//,/ }; do
    times=1
    if [[ $entry =~ \(x([0-9]+)\) ]]; then times=${BASH_REMATCH[1]}; fi
    if ((node < times)); then echo "${entry%%(*}" && return; fi
    node=$((node - times))
  done
  echo 1
}
if [[ -n ${OMPI_COMM_WORLD_RANK:-} ]]; then
  rank=$OMPI_COMM_WORLD_RANK local_rank=$OMPI_COMM_WORLD_LOCAL_RANK local_ranks=$OMPI_COMM_WORLD_LOCAL_SIZE
elif [[ -n ${SLURM_PROCID:-} ]]; then
  rank=$SLURM_PROCID local_rank=$SLURM_LOCALID local_ranks=$(slurm_local_ranks)
else
  rank=0 local_rank=0 local_ranks=1
fi

if ((local_ranks <= ${#cores[@]})); then
  first=$((local_rank * ${#cores[@]} / local_ranks))
  count=$(((local_rank + 1) * ${#cores[@]} / local_ranks - first))
else
  first=$((local_rank % ${#cores[@]})) count=1
  export OMPI_MCA_mpi_yield_when_idle=1 # whoever waits leaves the core to the ranks that share it
fi
export OMP_NUM_THREADS=${OMP_NUM_THREADS:-$count}
if [[ ${LACT_BIND:-cores} == cores ]]; then
  share=$(IFS=, && echo "${cores[*]:first:count}")
  taskset -p -c "$share" $$ >/dev/null
fi

devices=()
if [[ -n ${CUDA_VISIBLE_DEVICES:-} ]]; then
  IFS=, read -ra devices <<<"$CUDA_VISIBLE_DEVICES"
elif [[ -z ${CUDA_VISIBLE_DEVICES+set} && -n $(type -P nvidia-smi) ]]; then
  mapfile -t devices < <(nvidia-smi --query-gpu=index --format=csv,noheader 2>/dev/null)
fi
if ((${#devices[@]} > 0)); then
  export CUDA_VISIBLE_DEVICES=${devices[local_rank % ${#devices[@]}]}
  # A kernel loaded at its first use may wait for a collective on the GPU, and this for another rank that loads one.
  export CUDA_MODULE_LOADING=${CUDA_MODULE_LOADING:-EAGER}
fi

# A rank's lines carry its rank. Rank 0 speaks for all and stays as it is: its stdout may be a JSON object.
if ((rank > 0)); then
  mark="/^\[rank /! s/^/[rank $rank] /"
  exec > >(trap '' INT TERM USR1 HUP && exec sed -u "$mark") 2> >(trap '' INT TERM USR1 HUP && exec sed -u "$mark" >&2)
fi
exec "$@"
