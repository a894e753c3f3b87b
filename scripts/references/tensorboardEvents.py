# What TensorBoard's own reader finds in the event file that src/sweepFiles/writeTensorboardEvents.ts writes of testing/exampleScalars.ts.
# In the repository's root:  pip install tensorboard==2.21.0 && python scripts/references/tensorboardEvents.py
import hashlib
import json
import pathlib
import subprocess
import tempfile

import tensorboard
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

program = """
import { writeFileSync } from "node:fs";
import { exampleScalars } from "./src/sweepFiles/testing/exampleScalars.ts";
import { writeTensorboardEvents } from "./src/sweepFiles/writeTensorboardEvents.ts";
writeFileSync(process.argv[1], writeTensorboardEvents(exampleScalars()));
"""
with tempfile.TemporaryDirectory() as folder:
    file = pathlib.Path(folder) / "events.out.tfevents.1700000000.rotor"
    subprocess.run(["npx", "node", "--input-type=module", "-e", program, str(file)], check=True)
    sha256 = hashlib.sha256(file.read_bytes()).hexdigest()
    events = EventAccumulator(folder, size_guidance={"scalars": 0, "tensors": 0}).Reload()
    tags = events.Tags()
    scalars = {tag: [[e.step, e.wall_time, e.value] for e in events.Scalars(tag)] for tag in tags["scalars"]}
    for tag in tags["tensors"]:
        # The accumulator may carry scalars over to tensors.
        values = events.Tensors(tag)
        scalars[tag] = [[e.step, e.wall_time, float(e.tensor_proto.float_val[0])] for e in values]
target = pathlib.Path("src/sweepFiles/tensorboard.reference.json")
target.write_text(json.dumps({"tensorboard": tensorboard.__version__, "sha256": sha256, "scalars": scalars}, ensure_ascii=False, indent=1) + "\n")
