"""Syncs runs that `rotor runs export --to wandb` wrote with the real W&B, to a server of this script that keeps what arrives.

Not a part of the tests: it needs the package wandb (0.31.0). Prints a line of JSON a run: configuration, name, tags, the number of rows of
its history, the last one, and the exit code.

    npx rotor runs export latest --to wandb -o wandb
    python scripts/references/wandbSync.py wandb/offline-run-*
"""

import gzip
import json
import os
import re
import subprocess
import sys
import tempfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

runs = {}


def run_of(name):
    return runs.setdefault(name, {"run": name, "rows": 0})


def answer(query, variables):
    if "upsertBucket" in query:
        name = variables["name"]
        run = run_of(name)
        for key in ("displayName", "tags", "notes", "groupName"):
            if variables.get(key) not in (None, "", []):
                run[key] = variables[key]
        if variables.get("config"):
            run["config"] = json.loads(variables["config"])
        project = {"name": "rotor", "entity": {"name": "nobody"}}
        return {"upsertBucket": {"bucket": {"id": name, "name": name, "displayName": name, "description": "", "config": "{}", "sweepName": None, "historyLineCount": None, "project": project}, "inserted": True}}
    if "__type" in query:
        return {name: {"fields": [], "inputFields": [], "args": []} for name in re.findall(r"(\w+)\s*:\s*__type", query)}
    if "viewer" in query:
        return {"viewer": {"id": "1", "entity": "nobody", "username": "nobody", "flags": "{}", "teams": {"edges": []}}, "serverInfo": {"cliVersionInfo": {"max_cli_version": "9.0.0"}}}
    return {}


class Handler(BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        if self.headers.get("content-encoding") == "gzip":
            body = gzip.decompress(body)
        request = json.loads(body or b"{}")
        result = {}
        if self.path.endswith("/graphql"):
            if os.environ.get("SHOW"):
                print(request.get("query", "")[:200].replace("\n", " "), file=sys.stderr)
            result = {"data": answer(request.get("query", ""), request.get("variables") or {})}
        elif self.path.endswith("/file_stream"):
            run = run_of(self.path.split("/")[-2])
            history = request.get("files", {}).get("wandb-history.jsonl", {}).get("content", [])
            run["rows"] += len(history)
            if history:
                run["last"] = json.loads(history[-1])
            for line in request.get("files", {}).get("wandb-summary.json", {}).get("content", []):
                run["summary"] = json.loads(line)
            if request.get("complete"):
                run["exitCode"] = request.get("exitcode")
        data = json.dumps(result).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    do_PUT = do_POST


def main():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with tempfile.TemporaryDirectory() as scratch:
        environment = {
            **os.environ,
            "WANDB_BASE_URL": f"http://127.0.0.1:{server.server_port}",
            "WANDB_API_KEY": "0" * 40,
            "WANDB_CONFIG_DIR": scratch,
            "WANDB_CACHE_DIR": scratch,
            "WANDB_ERROR_REPORTING": "false",
        }
        command = [sys.executable, "-m", "wandb", "sync", *sys.argv[1:]]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    if done.returncode != 0 or os.environ.get("SHOW"):
        print(done.stdout, done.stderr, file=sys.stderr)
    for run in runs.values():
        print(json.dumps(run))
    sys.exit(done.returncode)


main()
