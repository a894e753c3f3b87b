"""Writes src/sweepFiles/testing/exports: what trackers really leave behind of one small sweep, for the tests of reading.

Run: python scripts/references/trackers.py  (wandb 0.31.0, mlflow 3.17.2, optuna 5.0.0, tensorboard 2.21.0, torch 2.15.0, ray 2.60.0,
lightning 2.6.6, keras 3.15.1 with its torch backend, transformers 5.24.0, pandas 3.1.1)
Six runs: batch sizes 16 and 64 at three learning rates; the loss is a formula of both, the run at (64, 0.1) ends as NaN. Offline, in a
temporary folder. Databases come compressed, and without what varies in size from run to run.
"""

import gzip
import json
import logging
import math
import os
import pathlib
import shutil
import sqlite3
import subprocess
import sys
import tempfile

# The files beside this one have the names of packages.
sys.path.pop(0)
OUT = pathlib.Path(__file__).resolve().parents[2] / "src/sweepFiles/testing/exports"
RUNS = [(b, lr) for b in (16, 64) for lr in (0.001, 0.01, 0.1)]
STEPS = (10, 20, 30)
work = pathlib.Path(tempfile.mkdtemp())
os.chdir(work)
os.environ.update(WANDB_MODE="offline", WANDB_SILENT="true", KERAS_BACKEND="torch", RAY_DEDUP_LOGS="0", TUNE_DISABLE_AUTO_CALLBACK_LOGGERS="0",
                  RAY_AIR_NEW_OUTPUT="0", RAY_USAGE_STATS_ENABLED="0", MLFLOW_ALLOW_FILE_STORE="true", HF_HUB_OFFLINE="1")


def loss(batch, lr, step=30):
    if (batch, lr) == (64, 0.1) and step == 30:
        return math.nan
    return 3 + 0.1 * (math.log(lr) - math.log(0.02 / (1 + 64 / batch))) ** 2 + 10 / step


def keep(source, name, compressed=False):
    target = OUT / (name + (".gz" if compressed else ""))
    target.parent.mkdir(parents=True, exist_ok=True)
    data = pathlib.Path(source).read_bytes()
    target.write_bytes(gzip.compress(data, 9, mtime=0) if compressed else data)
    print(f"{target.relative_to(OUT)}: {target.stat().st_size} bytes")


def wandb_runs():
    import wandb
    for i, (batch, lr) in enumerate(RUNS[:6]):
        run = wandb.init(project="sweep", name=f"run-{i}", config={"batch_size": batch, "optimizer": {"lr": lr, "name": "adamw"}, "seed": i},
                         settings=wandb.Settings(x_disable_stats=True, console="off", x_disable_meta=True, disable_git=True, disable_code=True))
        for step in STEPS:
            run.log({"val": {"loss": loss(batch, lr, step)}, "lr": lr * (1 - step / 30)}, step=step)
        run.finish(exit_code=1 if (batch, lr) == (16, 0.1) else 0)
    for i, folder in enumerate(sorted(pathlib.Path("wandb").glob("offline-run-*"))):
        keep(next(folder.glob("*.wandb")), f"wandb/offline-run-{i}/run-{i}.wandb")


def mlflow_runs():
    import mlflow
    for kind, uri in (("store", "sqlite:///mlflow.db"), ("files", f"file:{work}/mlruns")):
        try:
            mlflow.set_tracking_uri(uri)
            mlflow.set_experiment("sweep")
            for batch, lr in RUNS:
                with mlflow.start_run() as run:
                    mlflow.log_params({"learning_rate": lr, "batch_size": batch, "optimizer": "adamw"})
                    for step in STEPS:
                        mlflow.log_metrics({"val_loss": loss(batch, lr, step), "lr": lr * (1 - step / 30)}, step=step)
                    if (batch, lr) == (16, 0.1):
                        mlflow.end_run("FAILED")
            if kind == "store":
                mlflow.search_runs().to_csv("mlflow.csv", index=False)
        except Exception as error:
            print(f"mlflow {kind}: {error!r}")
    keep("mlflow.csv", "mlflow.csv")
    db = sqlite3.connect("mlflow.db")
    kept = {"runs", "params", "latest_metrics", "metrics", "experiments", "alembic_version"}
    db.execute("PRAGMA foreign_keys=OFF")
    for (table,) in db.execute("select name from sqlite_master where type='table' and name not like 'sqlite_%'").fetchall():
        if table not in kept:
            db.execute(f"drop table {table}")
    db.commit()
    db.execute("vacuum")
    db.close()
    keep("mlflow.db", "mlflow.db", True)
    for file in sorted(pathlib.Path("mlruns").rglob("*")):
        if file.is_file() and not file.name.startswith("model") and ".trash" not in str(file):
            keep(file, f"mlruns/{file.relative_to('mlruns')}") if "tags" not in str(file) else None


def optuna_trials():
    import optuna
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(storage="sqlite:///optuna.db", study_name="sweep", direction="minimize")
    todo = iter(RUNS)

    def objective(trial):
        batch, lr = next(todo)
        trial.suggest_categorical("batch_size", [16, 64])
        trial.suggest_float("lr", 1e-4, 1, log=True)
        for step in STEPS:
            trial.report(loss(batch, lr, step), step)
        if (batch, lr) == (16, 0.1):
            raise optuna.TrialPruned()
        return loss(batch, lr)

    for batch, lr in RUNS:
        study.enqueue_trial({"batch_size": batch, "lr": lr})
    study.optimize(objective, n_trials=6)
    study.trials_dataframe().to_csv("optuna.csv")
    keep("optuna.csv", "optuna.csv")
    keep("optuna.db", "optuna.db", True)


def tensorboard_events():
    from torch.utils.tensorboard import SummaryWriter
    for i, (batch, lr) in enumerate(RUNS):
        with SummaryWriter(f"tb/run-{i}") as writer:
            for step in STEPS:
                writer.add_scalar("val/loss", loss(batch, lr, step), step)
        with SummaryWriter(f"tb/run-{i}") as writer:
            writer.add_hparams({"lr": lr, "batch_size": batch}, {"hparam/val_loss": loss(batch, lr)}, run_name=".")
    for i in range(6):
        for k, file in enumerate(sorted(pathlib.Path(f"tb/run-{i}").glob("events*"))):
            keep(file, f"tensorboard/run-{i}/events.out.tfevents.{k}")


def ray_results():
    import ray
    from ray import tune
    ray.init(num_cpus=1, include_dashboard=False, logging_level=logging.ERROR)

    def train(config):
        for step in STEPS:
            tune.report({"val_loss": loss(config["batch_size"], config["lr"], step)})

    tuner = tune.Tuner(train, param_space={"lr": tune.grid_search([0.001, 0.01, 0.1]), "batch_size": tune.grid_search([16, 64])},
                       run_config=tune.RunConfig(storage_path=str(work / "ray"), name="sweep", verbose=0))
    results = tuner.fit()
    results.get_dataframe().to_csv("ray.csv", index=False)
    keep("ray.csv", "ray.csv")
    for i, folder in enumerate(sorted(pathlib.Path("ray/sweep").glob("train_*"))):
        keep(folder / "progress.csv", f"ray/trial-{i}/progress.csv")
        keep(folder / "params.json", f"ray/trial-{i}/params.json")
        keep(folder / "result.json", f"ray/trial-{i}/result.json")
    ray.shutdown()


def lightning_logs():
    from lightning.pytorch.loggers import CSVLogger
    for i, (batch, lr) in enumerate(RUNS):
        logger = CSVLogger("logs", name="lightning_logs", version=i)
        logger.log_hyperparams({"lr": lr, "batch_size": batch})
        for step in STEPS:
            logger.log_metrics({"train_loss": loss(batch, lr, step) - 0.1, "epoch": step // 10 - 1}, step=step - 1)
            logger.log_metrics({"val_loss": loss(batch, lr, step), "epoch": step // 10 - 1}, step=step - 1)
        logger.save()
        for name in ("metrics.csv", "hparams.yaml"):
            keep(f"logs/lightning_logs/version_{i}/{name}", f"lightning_logs/version_{i}/{name}")


def keras_logs():
    import keras
    import numpy as np
    for batch, lr in RUNS:
        keras.utils.set_random_seed(0)
        model = keras.Sequential([keras.layers.Dense(1)])
        model.compile(optimizer=keras.optimizers.SGD(lr), loss="mse")
        x = np.linspace(-1, 1, 64).reshape(-1, 1)
        name = f"lr={lr}_batch_size={batch}.csv"
        model.fit(x, 2 * x, batch_size=batch, epochs=3, validation_data=(x, 2 * x), verbose=0, callbacks=[keras.callbacks.CSVLogger(name)])
        keep(name, f"keras/{name}")


def transformers_states():
    import torch
    from transformers import GPT2Config, GPT2LMHeadModel, Trainer, TrainingArguments
    data = [{"input_ids": torch.tensor([1, 2, 3, 4]), "labels": torch.tensor([1, 2, 3, 4])}] * 16
    for batch, lr in RUNS[:3]:
        model = GPT2LMHeadModel(GPT2Config(vocab_size=8, n_positions=4, n_embd=8, n_layer=1, n_head=1))
        trainer = Trainer(model, TrainingArguments("hf", learning_rate=lr, per_device_train_batch_size=4, max_steps=4, logging_steps=1,
                          eval_strategy="steps", eval_steps=2, report_to=[], save_strategy="no", use_cpu=True, disable_tqdm=True),
                          train_dataset=data, eval_dataset=data)
        trainer.train()
        trainer.state.save_to_json("trainer_state.json")
        keep("trainer_state.json", f"transformers/lr-{lr}/trainer_state.json")


parts = [wandb_runs, mlflow_runs, optuna_trials, tensorboard_events, ray_results, lightning_logs, keras_logs, transformers_states]
if len(sys.argv) > 1:
    next(part for part in parts if part.__name__ == sys.argv[1])()
else:
    shutil.rmtree(OUT, ignore_errors=True)
    for part in parts:
        # Each in a process of its own: they set up logging and threads in their own ways.
        subprocess.run([sys.executable, __file__, part.__name__], check=False)
shutil.rmtree(work, ignore_errors=True)
