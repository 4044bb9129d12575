"""The systems that are measured: how to get, build and start each runner."""

import json
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SOURCES = ROOT / "bench" / "peers"
BUILD = ROOT / "build" / "peers"


class Unavailable(Exception):
    """Why a system cannot be measured on this machine."""


@dataclass(frozen=True)
class System:
    name: str
    kind: str  # "cmake", "cargo" or "npm"
    index_unit: str  # what positions in a text count: "code point" or "utf-16"

    def runner(self):
        """Builds the runner where needed; the command that starts it."""
        build = {"cmake": cmake_runner, "cargo": cargo_runner, "npm": npm_runner}[self.kind]
        return build(self.name)


SYSTEMS = [
    System("rejoin", "cmake", "code point"),
    System("diamond-types", "cargo", "code point"),
    System("loro", "cargo", "code point"),
    System("yrs", "cargo", "utf-16"),
    System("automerge", "cargo", "code point"),
    System("yjs", "npm", "utf-16"),
    System("json-joy", "npm", "utf-16"),
]


def run(command, **options):
    """Runs a tool quietly; its last words become the reason if it fails."""
    log = BUILD / f"{Path(command[0]).name}.log"
    BUILD.mkdir(parents=True, exist_ok=True)
    with log.open("w") as output:
        done = subprocess.run(command, stdout=output, stderr=subprocess.STDOUT, **options)
    if done.returncode != 0:
        lines = [line.strip() for line in log.read_text().splitlines() if line.strip()]
        errors = [line for line in lines if "error" in line.lower()] or lines or ["no words"]
        what = f"{Path(command[0]).name} {command[1]}"
        raise Unavailable(f"{what} failed: {errors[0]} (see {log.relative_to(ROOT)})")


def need(tool):
    path = shutil.which(tool)
    if path is None:
        raise Unavailable(f"{tool} is not installed")
    return path


def cmake_runner(_):
    run([str(ROOT / "scripts" / "build"), "rejoin_runner"])
    return [str(ROOT / "build" / "release" / "bin" / "rejoin_runner")]


def cargo_runner(name):
    need("cargo")
    manifest = SOURCES / "rust" / "Cargo.toml"
    target = BUILD / "rust"
    package = f"peer-{name}"
    run(
        ["cargo", "build", "--release", "--manifest-path", str(manifest), "-p", package],
        env={**os.environ, "CARGO_TARGET_DIR": str(target)},
    )
    return [str(target / "release" / package)]


def npm_runner(name):
    need("npm")
    shutil.copytree(SOURCES / "js", BUILD / "js", dirs_exist_ok=True)
    folder = BUILD / "js" / name
    version = json.loads((folder / "package.json").read_text())["dependencies"][name]
    if installed_version(folder, name) != version:
        run(["npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts"], cwd=folder)
    return [need("node"), "--expose-gc", str(folder / "runner.mjs")]


def installed_version(folder, name):
    manifest = folder / "node_modules" / name / "package.json"
    return json.loads(manifest.read_text())["version"] if manifest.exists() else None
