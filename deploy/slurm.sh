#!/bin/bash
# Workers for sweeps as a Slurm array: sbatch --array=1-8 slurm.sh
#SBATCH --job-name=rotor-worker
#SBATCH --cpus-per-task=2
#SBATCH --mem=4G
#SBATCH --time=04:00:00
# Time for a checkpoint before the limit; the job is queued again if the node is taken away.
#SBATCH --signal=TERM@120
#SBATCH --requeue
#SBATCH --output=rotor-worker-%A-%a.log
set -euo pipefail

# A file that only you can read: chmod 600.
ROTOR_DATABASE_URL="$(cat "${ROTOR_DATABASE_FILE:-$HOME/.rotor-database}")"
export ROTOR_DATABASE_URL
# An empty one would mean sweeps on this node only.
: "${ROTOR_DATABASE_URL:?the file of the database is empty}"
# A folder that all nodes have mounted.
export ROTOR_SHARED="${ROTOR_SHARED:-$HOME/rotor-shared}"

# Runs and caches of this worker, on the node's own disk.
home="${TMPDIR:-/tmp}/rotor-${SLURM_JOB_ID:-0}"

exec srun npx rotor worker --once --threads "${SLURM_CPUS_PER_TASK:-1}" --home "$home"
