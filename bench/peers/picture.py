"""Draws what scripts/bench-peers measured: each peer's figures as multiples of Rejoin's."""

from collections import defaultdict

OURS = "rejoin"
COLOURS = ["#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00"]
MARKS = ["o", "s", "^", "D", "v", "P"]


def draw(rows, path):
    """Needs matplotlib (Debian: python3-matplotlib)."""
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams["svg.hashsalt"] = "rejoin"  # the same figures, the same file
    from matplotlib import pyplot

    values = defaultdict(dict)  # by measure and input
    for row in rows:
        values[(row["measure"], row["input"])][row["system"]] = row["value"]
    shown = {place: figures for place, figures in sorted(values.items(), reverse=True)
             if figures.get(OURS, 0) > 0 and len(figures) > 1}
    peers = list(dict.fromkeys(r["system"] for r in rows if r["system"] != OURS))

    figure, axes = pyplot.subplots(figsize=(10, 0.26 * len(shown) + 1.5))
    for peer, colour, mark in zip(peers, COLOURS, MARKS):
        points = [(figures[peer] / figures[OURS], height)
                  for height, figures in enumerate(shown.values()) if peer in figures]
        axes.plot(*zip(*points), mark, color=colour, label=peer, markersize=5)
    axes.axvline(1, color="black", linewidth=1)
    axes.set_yticks(range(len(shown)))
    axes.set_yticklabels([f"{measure}   {name}" for measure, name in shown], fontsize=7)
    axes.set_xscale("log")
    axes.set_xlabel("times Rejoin's figure: right of the line, a peer takes more than Rejoin")
    axes.grid(axis="both", color="#dddddd", linewidth=0.5)
    axes.set_axisbelow(True)
    axes.set_ylim(-1, len(shown))
    axes.legend(loc="lower center", bbox_to_anchor=(0.4, 1.0), ncol=len(peers), frameon=False,
                fontsize=8)
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})
