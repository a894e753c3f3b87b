#!/usr/bin/env bash
# Common guess: an infinite metric comes back from MLflow's store as infinite, so that isfinite() finds the runs that diverged
# What happens: it comes back as the largest double, 1.7976931348623157e+308: finite, and part of every mean and maximum; NaN beside it stays NaN
# Seen with: mlflow-skinny 3.17.2 with its SQLite store (SQLAlchemy 2.1.9, alembic 1.20.1, pandas 3.1.1), Python 3.11.
# Output seen: inf -> 1.7976931348623157e+308, -inf -> -1.7976931348623157e+308, nan -> nan; finite: True True False
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet mlflow-skinny==3.17.2 sqlalchemy==2.1.9 alembic==1.20.1 pandas==3.1.1
cat >run.py <<'PROGRAM'
import logging
import math

import mlflow

logging.disable(logging.WARNING)
mlflow.set_tracking_uri("sqlite:///runs.db")
found = []
for loss in (math.inf, -math.inf, math.nan):
    with mlflow.start_run() as run:
        mlflow.log_metric("val_loss", loss)
    found.append((loss, mlflow.get_run(run.info.run_id).data.metrics["val_loss"]))
print(", ".join(f"{given} -> {kept}" for given, kept in found), "finite:", *(math.isfinite(kept) for _, kept in found), sep=" ")
PROGRAM
found=$(venv/bin/python run.py 2>/dev/null | tail -1 | sed 's/ finite:/; finite:/')
echo "guess: an infinite metric comes back from MLflow's store as infinite"
echo "found: $found"
expected="inf -> 1.7976931348623157e+308, -inf -> -1.7976931348623157e+308, nan -> nan; finite: True True False"
[ "$found" = "$expected" ] || { echo "this has changed; it was: $expected" >&2; exit 1; }
