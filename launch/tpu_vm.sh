#!/usr/bin/env bash
# An experiment on the hosts of one Cloud TPU slice; see docs/tpu_vm.md.
#
#   launch/tpu_vm.sh create                  ask for the slice and wait for it
#   launch/tpu_vm.sh install                 mount the share, copy and install
#   launch/tpu_vm.sh run CONFIG WORKDIR ...  start launch.run on every host
#   launch/tpu_vm.sh log                     follow what the first host prints
#   launch/tpu_vm.sh resume CONFIG WORKDIR ...
#                                            after preemption: all of the above
#   launch/tpu_vm.sh delete                  give the slice back
#
# CONFIG is a config file with its variant, WORKDIR a directory below MOUNT;
# what follows them goes to launch.run, e.g. --config.search.num_epochs=20.
# Options are environment variables:
#   PROJECT           Google Cloud project             (required)
#   ZONE              zone with quota for the slice    (required)
#   NFS               HOST:/SHARE, e.g. of Filestore   (required)
#   TPU_NAME          of the slice                     [structcomp]
#   ACCELERATOR_TYPE  version and size                 [v5litepod-16]
#   RUNTIME_VERSION   software of its hosts            [v2-alpha-tpuv5-lite]
#   SPOT              1: cheaper, may be preempted     [1]
#   MOUNT             where NFS appears on the hosts   [/mnt/structcomp]
set -euo pipefail

TPU_NAME=${TPU_NAME:-structcomp}
ACCELERATOR_TYPE=${ACCELERATOR_TYPE:-v5litepod-16}
RUNTIME_VERSION=${RUNTIME_VERSION:-v2-alpha-tpuv5-lite}
SPOT=${SPOT:-1}
MOUNT=${MOUNT:-/mnt/structcomp}
# On every host, in the home directory.
SOURCE=structcomp_jax
LOG=structcomp_jax.log
SECONDS_BETWEEN_LOOKS=${SECONDS_BETWEEN_LOOKS:-30}

usage() {
  sed -n '2,/^set -/{/^set -/d;s/^# \{0,1\}//;p}' "$0"
}

fail() {
  echo "error: $*" >&2
  exit 1
}

in_place() {
  "$@" --project="$PROJECT" --zone="$ZONE"
}

on_hosts() {
  local worker=$1 command=$2
  in_place gcloud compute tpus tpu-vm ssh "$TPU_NAME" \
    --worker="$worker" --command="$command"
}

state() {
  in_place gcloud compute tpus queued-resources describe "$TPU_NAME" \
    --format='value(state.state)' 2>/dev/null || echo NONE
}

create() {
  local spot=()
  if [[ $SPOT == 1 ]]; then
    spot=(--spot)
  fi
  in_place gcloud compute tpus queued-resources create "$TPU_NAME" \
    --node-id="$TPU_NAME" \
    --accelerator-type="$ACCELERATOR_TYPE" \
    --runtime-version="$RUNTIME_VERSION" \
    "${spot[@]}"
  local now
  while now=$(state) && [[ $now != ACTIVE ]]; do
    case $now in
      FAILED | SUSPENDED | SUSPENDING)
        fail "the request for $TPU_NAME is $now; delete it and try again"
        ;;
    esac
    echo "$TPU_NAME: $now"
    sleep "$SECONDS_BETWEEN_LOOKS"
  done
  echo "$TPU_NAME: ACTIVE"
}

install() {
  local directory archive
  directory=$(mktemp -d)
  archive=$directory/$SOURCE.tar.gz
  git -C "$(dirname "$0")/.." archive --format=tar.gz --output="$archive" HEAD
  in_place gcloud compute tpus tpu-vm scp "$archive" \
    "$TPU_NAME:$SOURCE.tar.gz" --worker=all
  rm -r "$directory"
  # An answer of the share that a file is missing must not be remembered.
  on_hosts all "set -e
    sudo apt-get -qq update
    sudo apt-get -qq install --yes nfs-common
    sudo mkdir -p $MOUNT
    mountpoint -q $MOUNT || sudo mount -t nfs -o lookupcache=positive $NFS $MOUNT
    mkdir -p $SOURCE
    tar -xzf $SOURCE.tar.gz -C $SOURCE
    command -v ~/.local/bin/uv > /dev/null \
      || curl -LsSf https://astral.sh/uv/install.sh | sh
    cd $SOURCE
    ~/.local/bin/uv venv --quiet --allow-existing --python 3.11
    ~/.local/bin/uv pip install --quiet --editable . 'jax[tpu]'"
}

run() {
  [[ $# -ge 2 ]] || fail "run needs CONFIG and WORKDIR; see --help"
  [[ $2 == "$MOUNT"/* ]] || fail "WORKDIR $2 must lie below $MOUNT, which all" \
    "hosts see"
  local command
  # The first host stores compiled programs, and all read them.
  command=$(printf '%q ' .venv/bin/python -m launch.run --distributed \
    --config="$1" --workdir="$2" \
    --config.runtime.compilation_cache="$MOUNT/compiled" "${@:3}")
  on_hosts all "cd $SOURCE && { nohup $command > ~/$LOG 2>&1 < /dev/null & }"
  echo "started on all hosts; follow it with: $0 log"
}

log() {
  on_hosts 0 "tail -n +1 -F $LOG"
}

resume() {
  [[ $# -ge 2 ]] || fail "resume needs CONFIG and WORKDIR; see --help"
  local before
  before=$(state)
  if [[ $before != ACTIVE ]]; then
    [[ $before == NONE ]] || delete
    create
    install
    # The host that held it is gone.
    on_hosts 0 "rm -f $(printf '%q' "$2/run.lock")"
  fi
  run "$@"
}

delete() {
  in_place gcloud compute tpus queued-resources delete "$TPU_NAME" \
    --force --quiet
}

main() {
  local verb=${1:---help}
  case $verb in
    -h | --help | help)
      usage
      ;;
    create | install | run | log | resume | delete)
      local name
      for name in PROJECT ZONE NFS; do
        [[ -n ${!name:-} ]] || fail "set $name; see --help"
      done
      "$verb" "${@:2}"
      ;;
    *)
      fail "unknown verb $verb; see --help"
      ;;
  esac
}

main "$@"
