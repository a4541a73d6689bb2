#!/usr/bin/env bash
# Hosts for tests on one machine: each has a network stack and a name of its own, all see the same files.
set -euo pipefail

usage() {
  cat <<END
usage: tests/support/hosts.sh N COMMAND [arguments ...]

Runs a command on the first of N hosts, host0 host1 ..., which exist only as long as it runs: network namespaces joined by
a bridge, in mount and process namespaces of their own, so that nothing is left whatever ends first. It returns the
command's exit status. mpirun started there reaches the other hosts through OMPI_MCA_plm_rsh_agent (OpenMPI 4) and
PRTE_MCA_plm_ssh_agent (5), which are set.
Needs root, or a system that lets users make namespaces; 'hosts.sh 1 true' tells.

example: tests/support/hosts.sh 2 launch/run -n 4 -H host0,host1 -- hostname
END
}

self=$(realpath "${BASH_SOURCE[0]}")
case ${1:-} in
  -h | --help) usage && exit 0 ;;

  --agent) # HOST WORDS ...: what mpirun calls in place of ssh, so the words are one line for a shell
    host=$2 && shift 2
    exec nsenter --net="/run/netns/$host" unshare --uts bash -c 'hostname "$0" && exec bash -c "$*"' "$host" "$@"
    ;;

  --inside) # N COMMAND ...: in the new namespaces
    count=$2 && shift 2
    mount -t tmpfs tmpfs /run
    echo "127.0.0.1 localhost" >/run/hosts
    ip link add bridge type bridge && ip link set bridge up
    for ((i = 0; i < count; ++i)); do
      ip netns add "host$i"
      ip link add "port$i" master bridge type veth peer name eth0 netns "host$i"
      ip link set "port$i" up
      ip -n "host$i" link set lo up
      ip -n "host$i" link set eth0 up
      ip -n "host$i" address add "10.99.0.$((i + 1))/24" dev eth0
      echo "10.99.0.$((i + 1)) host$i" >>/run/hosts
    done
    mount --bind /run/hosts /etc/hosts
    export OMPI_MCA_plm_rsh_agent="$self --agent" PRTE_MCA_plm_ssh_agent="$self --agent"
    # Its process ids begin at 1 again, and what another mpirun has left behind may carry the same.
    mkdir /run/tmp
    export TMPDIR=/run/tmp
    printf -v line '%q ' "$@"
    exec "$self" --agent host0 "exec $line"
    ;;
esac

if (($# < 2)); then usage >&2 && exit 2; fi
become_root=()
if ((EUID != 0)); then become_root=(--user --map-root-user); fi
exec unshare "${become_root[@]}" --net --mount --uts --pid --fork --kill-child --mount-proc "$self" --inside "$@"
