"""Prepares what the runners read: recorded traces and map histories, as plain JSON (README.md)."""

import gzip
import json
from dataclasses import dataclass, field
from pathlib import Path

DEFAULT_TRACES = [
    "automerge-paper.json.gz",
    "rustcode.json.gz",
    "sveltecomponent.json.gz",
    "friendsforever_flat.json.gz",
    "friendsforever.json.gz",
]


@dataclass
class Input:
    name: str
    measures: list[str]
    files: dict[str, Path]  # by index unit: "code point", "utf-16"
    recorded_text: str | None = None  # None for maps
    concurrent: bool = False
    # Of a concurrent trace: what one agent typed on and the recorded text has in one piece.
    typed_runs: list[str] = field(default_factory=list)


def read_trace(path):
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rt", encoding="utf-8") as file:
        return json.load(file)


def trace_input(path, folder):
    trace = read_trace(path)
    name = path.name.removesuffix(".gz").removesuffix(".json")
    concurrent = trace.get("kind") == "concurrent"
    content = concurrent_content(trace) if concurrent else sequential_content(trace)
    prepared = Input(name, [], {}, trace["endContent"], concurrent)
    if concurrent:
        prepared.typed_runs = typed_runs(trace)
    prepared.measures = ["merge"] if concurrent else ["replay", "save", "memory"]
    prepared.files["code point"] = write(folder / f"{name}.json", {"name": name, **content})
    prepared.files["utf-16"] = prepared.files["code point"]
    if not has_only_single_utf16_units(content):
        del prepared.files["utf-16"]
        if not concurrent:
            content = {**content, "transactions": in_utf16_units(content["transactions"])}
            path = folder / f"{name}.utf-16.json"
            prepared.files["utf-16"] = write(path, {"name": name, **content})
    return prepared


def write(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, separators=(",", ":")), encoding="utf-8")
    return path


def sequential_content(trace):
    transactions = [{"agent": 0, "receive": [], "patches": t["patches"]} for t in trace["txns"]]
    if trace.get("startContent"):
        start = [[0, 0, trace["startContent"]]]
        transactions.insert(0, {"agent": 0, "receive": [], "patches": start})
    return {"agents": 1, "transactions": transactions, "receive_at_end": [[]]}


def concurrent_content(trace):
    """Says for each transaction which others its agent's replica must be given first."""
    agents = trace["numAgents"]
    own = [[] for _ in range(agents)]  # each agent's transactions so far
    replicas = [[0] * agents for _ in range(agents)]  # how many of each agent's it has
    versions = []  # after each transaction
    transactions = []
    for index, recorded in enumerate(trace["txns"]):
        agent = recorded["agent"]
        needed = latest([versions[parent] for parent in recorded["parents"]], agents)
        if needed[agent] != len(own[agent]):
            raise ValueError(f"transaction {index} does not follow its agent's previous one")
        receive = lacking(replicas[agent], needed, own)
        transactions.append({"agent": agent, "receive": receive, "patches": recorded["patches"]})
        own[agent].append(index)
        needed[agent] += 1
        versions.append(needed)
        replicas[agent] = list(needed)
    everything = [len(indices) for indices in own]
    at_end = [lacking(replica, everything, own) for replica in replicas]
    return {"agents": agents, "transactions": transactions, "receive_at_end": at_end}


def typed_runs(trace, length_min=8):
    """Runs that nobody wrote into later, so that whoever interleaves them is found out."""
    runs = []
    typing = {}  # by agent: the run so far, and where it goes on
    for transaction in trace["txns"]:
        agent = transaction["agent"]
        for position, deleted, inserted in transaction["patches"]:
            run, end = typing.get(agent, ("", None))
            if deleted or position != end:
                runs.append(run)
                run = ""
            typing[agent] = (run + inserted, position + len(inserted))
    runs += [run for run, _ in typing.values()]
    return [run for run in runs if len(run) >= length_min and run in trace["endContent"]]


def latest(versions, agents):
    return [max((version[agent] for version in versions), default=0) for agent in range(agents)]


def lacking(have, needed, own):
    """Indices are in causal order already: parents come before children."""
    return sorted(i for a, indices in enumerate(own) for i in indices[have[a] : needed[a]])


def has_only_single_utf16_units(content):
    return all(
        ord(max(inserted, default="")) <= 0xFFFF
        for transaction in content["transactions"]
        for _, _, inserted in transaction["patches"]
        if inserted
    )


def utf16_units(text):
    return len(text.encode("utf-16-le")) // 2


def in_utf16_units(transactions):
    """The same sequential edits, counted as JavaScript counts."""
    text = ""
    converted = []
    for transaction in transactions:
        patches = []
        for position, deleted, inserted in transaction["patches"]:
            end = position + deleted
            units = utf16_units(text[position:end])
            patches.append([utf16_units(text[:position]), units, inserted])
            text = text[:position] + inserted + text[end:]
        converted.append({**transaction, "patches": patches})
    return converted


# ---- Maps ----


@dataclass
class MapHistory:
    """Transactions, each a list of [key, value] where no value removes the key."""

    base: list = field(default_factory=list)
    here: list = field(default_factory=list)
    there: list = field(default_factory=list)


def map_inputs(folder):
    histories = {
        "1000_keys_written_200_times": ("catch_up", catch_up_history(1_000, 200)),
        "100000_keys_1_percent_changed": ("reconcile", reconcile_history(100_000, 1_000)),
        "100000_keys_added_and_removed": ("residue", residue_history(100_000)),
    }
    return [map_input(name, *histories[name], folder) for name in histories]


def map_input(name, measure, history, folder):
    path = write(folder / f"{name}.json", {"name": name, **vars(history)})
    return Input(name, [measure], {"code point": path, "utf-16": path})


def key(number):
    return f"key-{number}"


def text_value(number):
    """16 characters that do not compress well."""
    return f"{(number * 0x9E3779B97F4A7C15 + 0xD1B54A32D192ED03) % 2**64:016x}"


def catch_up_history(keys, writes):
    rounds = [[[key(k), number] for k in range(keys)] for number in range(writes + 1)]
    return MapHistory(base=rounds[:1], here=rounds[1:])


def reconcile_history(keys, changed):
    def set_all(numbers, salt):
        return [[key(k), text_value(k + salt * keys)] for k in numbers]

    step = keys // changed
    return MapHistory(
        base=in_batches(set_all(range(keys), 0)),
        here=[set_all(range(0, keys, step), 1)],
        there=[set_all(range(step // 2, keys, step), 2)],
    )


def residue_history(keys):
    added = in_batches([[key(k), k] for k in range(keys)])
    removed = in_batches([[key(k), None] for k in range(keys)])
    return MapHistory(here=added + removed)


def in_batches(writes, size=1_000):
    return [writes[at : at + size] for at in range(0, len(writes), size)]
