"""The systems that are measured: how to get, build and start each runner."""

import functools
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
    package = f"peer-{name}"
    if not built_workspace():
        cargo_build("-p", package)
    return [str(BUILD / "rust" / "release" / package)]


@functools.cache
def built_workspace():
    """All at once shares what they depend on; where that fails, each is tried by itself."""
    try:
        cargo_build("--workspace")
        return True
    except Unavailable:
        return False


def cargo_build(*packages):
    manifest = str(SOURCES / "rust" / "Cargo.toml")
    environment = {**os.environ, "CARGO_TARGET_DIR": str(BUILD / "rust")}
    run(["cargo", "build", "--release", "--manifest-path", manifest, *packages], env=environment)


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
