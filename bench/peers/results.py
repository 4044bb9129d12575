"""Collects the runners' figures, checks the texts they arrived at, and shows the medians."""

import json
from collections import defaultdict
from dataclasses import dataclass, field
from statistics import median


class Wrong(Exception):
    """A runner's work did not come out as it must."""


@dataclass
class Series:
    version: str
    unit: str
    values: list[float] = field(default_factory=list)


class Results:
    def __init__(self):
        self.series = {}  # by (input name, measure, system)
        self.merged_texts = {}  # by (input name, system), of concurrent inputs
        self.notes = []  # what a reader of the table must know, without repetition

    def add(self, line, checked_input):
        """Takes one figure, unless the texts it comes with are not what they must be."""
        self.check_texts(line, checked_input)
        key = (line["input"], line["measure"], line["system"])
        series = self.series.setdefault(key, Series(line["version"], line["unit"]))
        series.values.append(line["value"])

    def check_texts(self, line, checked_input):
        texts = line.get("texts", [])
        what = f"{line['system']}, {line['measure']} of {line['input']}"
        if checked_input.concurrent:
            place = (line["input"], line["system"])
            agreed = self.merged_texts.setdefault(place, texts[0])
            if set(texts) != {agreed}:
                raise Wrong(f"{what}: the replicas differ")
            for run in checked_input.typed_runs:
                if run not in agreed:
                    raise Wrong(f"{what}: a run that one agent typed is interleaved: {run!r}")
            if agreed != checked_input.recorded_text:
                self.note(f"{line['system']} on {line['input']}: all replicas agree; concurrent "
                          "runs are in another order than the recorded one")
        elif any(text != checked_input.recorded_text for text in texts):
            raise Wrong(f"{what}: the final text is not the recorded one")

    def note(self, text):
        if text not in self.notes:
            self.notes.append(text)

    def drop(self, input_name, system):
        """Forgets what a system said about an input, which was wrong."""
        self.series = {k: s for k, s in self.series.items() if (k[0], k[2]) != (input_name, system)}

    def medians(self):
        return [
            {
                "system": system,
                "version": series.version,
                "input": input_name,
                "measure": measure,
                "value": median(series.values),
                "unit": series.unit,
            }
            for (input_name, measure, system), series in self.series.items()
        ]


def write_json(rows, path):
    path.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")


def tables(rows):
    """By input, then measure and unit, then system."""
    by_input = defaultdict(lambda: defaultdict(dict))
    for row in rows:
        by_input[row["input"]][(row["measure"], row["unit"])][row["system"]] = row["value"]
    return by_input


def print_tables(rows, system_names):
    """One table an input: a row a measure, a column a system."""
    for input_name, measures in tables(rows).items():
        print_table(input_name, measures, system_names)
    print("\nIn brackets: how many times the row's smallest figure. Smaller is better throughout.")


def markdown(rows, system_names):
    """The same as Markdown."""
    lines = []
    for input_name, measures in tables(rows).items():
        lines += [f"| {input_name} | {' | '.join(system_names)} |",
                  "| --- |" + " ---: |" * len(system_names)]
        for (measure, unit), values in measures.items():
            least = min(values.values())
            cells = [cell(values.get(system), least) for system in system_names]
            cells = [f"**{c}**" if values.get(s) == least else c
                     for c, s in zip(cells, system_names)]
            lines.append(f"| {measure}, {unit} | {' | '.join(cells)} |")
        lines.append("")
    return "\n".join(lines)


def print_table(title, measures, system_names):
    lines = [["", *system_names]]
    for (measure, unit), values in measures.items():
        least = min(values.values())
        cells = [cell(values.get(system), least) for system in system_names]
        lines.append([f"{measure}, {unit}", *cells])
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    print(f"\n{title}")
    for head, *cells in lines:
        right = [text.rjust(width) for text, width in zip(cells, widths[1:])]
        print("  ".join([head.ljust(widths[0]), *right]))


def cell(value, least):
    if value is None:
        return "-"
    ratio = f" ({value / least:.2f})" if least > 0 else ""
    return f"{number(value)}{ratio}"


def number(value):
    if value == int(value) or abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 100 else f"{value:.2f}"
