"""Holds the event files of TensorBoardEvents against TensorBoard itself.

Run from distill-core. It needs the package tensorboard and nothing else; the committed file was
made with tensorboard 2.21.0.

    python3 src/test/scripts/tensorboard_events.py golden

writes the golden file: a few events, by TensorBoard's own messages and record writer.

    python3 src/test/scripts/tensorboard_events.py check DIRECTORY METRICS.jsonl

loads what a run wrote with TensorBoard's own reader and compares every value with what
JsonLinesMetrics wrote of the same run.
"""

import collections
import json
import pathlib
import struct
import sys

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.compat.proto.event_pb2 import Event, SessionLog
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.summary.writer.record_writer import RecordWriter

GOLDEN = pathlib.Path("src/test/resources/golden/tensorboard-events.bin")


def scalars(step, wall_time, values):
    summary = Summary(value=[Summary.Value(tag=tag, simple_value=x) for tag, x in values])
    return Event(wall_time=wall_time, step=step, summary=summary)


def golden():
    events = [
        Event(wall_time=1700000000.25, file_version="brain.Event:2"),
        Event(wall_time=1700000000.5, session_log=SessionLog(status=SessionLog.START)),
        scalars(1, 1700000001.0, [("train/loss", 0.5), ("train/terms/softTargets", 0.1)]),
        scalars(300, 1700000002.0, [("validation/précision", 0.0)]),
        scalars(2**40, 1700000003.0, [("train/loss", float("inf"))]),
        Event(
            wall_time=1700000004.0,
            step=300,
            session_log=SessionLog(status=SessionLog.CHECKPOINT, checkpoint_path="runs/a/300"),
        ),
        Event(wall_time=1700000005.0, step=300, session_log=SessionLog(status=SessionLog.STOP)),
    ]
    with open(GOLDEN, "wb") as file:
        writer = RecordWriter(file)
        for event in events:
            writer.write(event.SerializeToString(deterministic=True))


def float32(value):
    return struct.unpack("<f", struct.pack("<f", value))[0]


def expected(lines):
    """What a reader should see, by tag: pairs of step and value."""
    tags = collections.defaultdict(list)

    def put(tag, step, value):
        if value is not None:
            tags[tag].append((step, float32(value)))

    evaluated = None
    for line in lines:
        event, step = line["event"], line.get("step")
        if event == "step":
            for name in ("loss", "learningRate", "temperature", "gradientNorm"):
                put("train/" + name, step, line[name])
            for group in ("terms", "gradientNorms"):
                for name, value in line.get(group, {}).items():
                    put(f"train/{group}/{name}", step, value)
        elif event == "epoch":
            put("epoch/loss", step, line["loss"])
            for name, value in line["terms"].items():
                put("epoch/terms/" + name, step, value)
            if evaluated != step:
                for name, value in line["metrics"].items():
                    put("validation/" + name, step, value)
        elif event == "evaluation":
            evaluated = step
            for name, value in line["metrics"].items():
                put("validation/" + name, step, value)
        elif event == "checkpoint":
            put("checkpoint/bytes", step, line["bytes"])
            put("checkpoint/seconds", step, line["seconds"])
        elif event == "runEnd":
            put("run/seconds", step, line["seconds"])
            put("run/teacherSeconds", step, line["teacherSeconds"])
    return tags


def check(directory, metrics):
    with open(metrics, encoding="utf-8") as file:
        lines = [json.loads(line) for line in file]
    accumulator = EventAccumulator(directory, size_guidance={"scalars": 0})
    accumulator.Reload()
    found = {
        tag: [(each.step, each.value) for each in accumulator.Scalars(tag)]
        for tag in accumulator.Tags()["scalars"]
    }
    # measured by each listener for itself
    rates = found.pop("train/rowsPerSecond")
    assert len(rates) == sum(line["event"] == "step" for line in lines), len(rates)
    assert all(rate > 0 for _, rate in rates)
    wanted = dict(expected(lines))
    assert found.keys() == wanted.keys(), found.keys() ^ wanted.keys()
    for tag, values in wanted.items():
        assert found[tag] == values, (tag, found[tag], values)
    print(f"{len(found) + 1} tags, {sum(map(len, found.values())) + len(rates)} values: all equal")


if __name__ == "__main__":
    if sys.argv[1:] == ["golden"]:
        golden()
    elif len(sys.argv) == 4 and sys.argv[1] == "check":
        check(sys.argv[2], sys.argv[3])
    else:
        sys.exit(__doc__)
