"""Builds and runs images without a container engine: a Dockerfile's own lines, in a root folder of their own.

Linux's own tools do it, as root: `unshare` for mounts, processes and network of its own, `chroot` for the folder. In place of the
base image stand this machine's system and its Python, read-only; of this repository nothing is there but what was copied.
"""

from __future__ import annotations

import fnmatch
import os
import shlex
import shutil
import socket
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from support.dockerfile import argument, expand, parse

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from support.dockerfile import Dockerfile, Instruction, Stage

ROOT = Path(__file__).resolve().parents[2]
# Dockerfile and target of each image by its name; None: the last stage
IMAGES = {
    "api": ("services/api/Dockerfile", None),
    "gateway": ("cli/Dockerfile", None),
    "ingest": ("services/ingest/Dockerfile", None),
    "launcher": ("services/launcher/Dockerfile", None),
    "launcher-local": ("services/launcher/Dockerfile", "launcher-local"),
    "metrics": ("services/metrics/Dockerfile", None),
    "predictor": ("services/predictor/Dockerfile", None),
    "trainer": ("trainer/Dockerfile", None),
    "ui": ("ui/Dockerfile", None),
}
_SYSTEM = ("bin", "sbin", "lib", "lib32", "lib64", "usr", "etc", "opt", "dev", "sys")
_BASE_PATH = "/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin"
# Instructions that say something of running an image, or of nothing but labels
_OF_RUNNING = {"CMD", "ENTRYPOINT", "EXPOSE", "HEALTHCHECK", "LABEL", "USER", "VOLUME"}
# What lets pip find packages where it does on this machine
_PASSED_ON = ("PIP_", "SSL_CERT_", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")
# The Python at /usr/local, where the base image has it, and where it believes to be itself
_MOUNTS = """
set -eu
root=$1; shift
mount --make-rprivate /
mount --bind "$root" "$root"
for name in $SYSTEM; do
  if [ -d "$root/$name" ] && [ ! -L "$root/$name" ]; then mount --rbind -o ro "/$name" "$root/$name"; fi
done
if [ "$PREFIX" != /usr ]; then
  mount --bind -o ro "$PREFIX" "$root/usr/local"
  case $PREFIX in /usr/*|/opt/*) ;; *) mount --bind -o ro "$PREFIX" "$root$PREFIX";; esac
fi
mount -t proc proc "$root/proc"
mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"
"""
_BUILD = """
mount --bind "$CACHE" "$root/root/.cache/pip"
exec chroot "$root" /usr/bin/env -i "$@"
"""
# As an orchestrator would: nothing writable but /tmp and volumes, the image's user, no capability, no privileges to be had
_RUN = """
for volume in $VOLUMES; do mount -t tmpfs -o "uid=$OWNER,gid=$OWNER" tmpfs "$root$volume"; done
mount -o remount,bind,ro "$root"
ip link set lo up
if [ -n "$REDIS" ]; then "$REDIS" --port 6379 --save "" --daemonize yes --dir / --logfile /dev/null > /dev/null; fi
enter() {
  exec chroot "$root" /usr/bin/setpriv --reuid "$OWNER" --regid "$OWNER" --clear-groups --bounding-set -all --no-new-privs "$@"
}
( enter "$@" ) &
main=$!
if [ -n "$HEALTH" ]; then
  tries=240
  until ( eval "enter $HEALTH" ) > /dev/null 2>&1; do
    tries=$((tries - 1))
    if [ "$tries" = 0 ] || ! kill -0 "$main" 2> /dev/null; then break; fi
    sleep 0.25
  done
  if ( eval "enter $HEALTH" ); then echo "$HEALTHY"; fi
  kill -TERM "$main"
fi
wait "$main"
"""
HEALTHY = "the probe of the image says: healthy"


def why_not() -> str:
    """Say why images cannot be built here; an empty string where they can."""
    if os.geteuid() != 0:
        return "mounts and chroot need root"
    if missing := [
        tool for tool in ("unshare", "chroot", "setpriv", "ip", "mount") if shutil.which(tool) is None
    ]:
        return f"{', '.join(missing)} is not installed"
    probe = subprocess.run(
        ["unshare", "--mount", "--net", "--pid", "--fork", "true"], check=False, capture_output=True
    )
    return probe.stderr.decode()


@dataclass(frozen=True)
class Image:
    """What a build made: a root folder, and what the last stage says of running it."""

    root: Path
    env: dict[str, str]
    workdir: str
    user: str
    entrypoint: list[str]
    command: list[str]
    health: list[str]

    def run(
        self,
        *command: str,
        env: Mapping[str, str],
        redis: str = "",
        volumes: Sequence[str] = (),
        probe: bool = True,
        entrypoint: Sequence[str] | None = None,
    ) -> tuple[int, str]:
        """Run it once, in a network of its own.

        Args:
            command: Instead of CMD; none: that.
            env: What whoever runs it sets.
            redis: A redis-server, which then answers at 127.0.0.1:6379.
            volumes: Folders that are mounted empty and writable.
            probe: Whether to ask its HEALTHCHECK until that is content (at most a minute), then send SIGTERM; else it ends by itself.
            entrypoint: Instead of ENTRYPOINT.

        Returns:
            Its exit status, and all that it wrote; HEALTHY is among it where the probe was content.
        """
        shell = ["/usr/bin/env", "-i", f"--chdir={self.workdir}", *_pairs({**self.env, **env})]
        argv = [*(self.entrypoint if entrypoint is None else entrypoint), *(command or self.command)]
        settings = {
            "OWNER": self.user.partition(":")[0],
            "VOLUMES": " ".join(volumes),
            "REDIS": redis,
            "HEALTH": shlex.join([*shell, *self.health]) if probe and self.health else "",
            "HEALTHY": HEALTHY,
        }
        return _inside(self.root, _RUN, [*shell, *argv], settings, "--net")

    def size(self, folder: str) -> int:
        """Add up the bytes of the files below a folder."""
        found = (self.root / folder).rglob("*")
        return sum(file.lstat().st_size for file in found if file.is_symlink() or file.is_file())


class Builder:
    """Builds images from Dockerfiles, each stage in a folder of its own."""

    def __init__(self, folder: Path, **arguments: str) -> None:
        """Take where to build, and build arguments."""
        self._folder = folder
        cache = subprocess.check_output([sys.executable, "-m", "pip", "cache", "dir"], text=True)
        self._cache = Path(cache.strip())
        self._cache.mkdir(parents=True, exist_ok=True)
        # Without that site, pip must find the CPU build of torch as it is configured here
        self._arguments = ({} if _reachable("download.pytorch.org") else {"TORCH_INDEX": ""}) | arguments
        self._built: dict[str, Image] = {}

    def build(self, name: str) -> Image:
        """Build an image, once."""
        if name not in self._built:
            path, target = IMAGES[name]
            file = parse(ROOT / path)
            self._built[name] = self._stage(file, file.stage(target), self._folder / name)
        return self._built[name]

    def _stage(self, file: Dockerfile, stage: Stage, root: Path) -> Image:
        _make_root(root)
        env, arguments, workdir = {"PATH": _BASE_PATH}, dict[str, str](), "/"
        for instruction in stage.instructions:
            value = instruction.value
            match instruction.name:
                case "ARG":
                    arguments |= {
                        name: self._arguments.get(name, default) for name, default in argument(value).items()
                    }
                case "ENV":
                    known = {**arguments, **env}
                    env |= {name: expand(text, known) for name, text in instruction.settings().items()}
                case "WORKDIR":
                    workdir = value
                    (root / workdir.lstrip("/")).mkdir(parents=True, exist_ok=True)
                case "COPY":
                    self._copy(file, instruction, root, workdir)
                case "RUN":
                    line = [
                        "--chdir=" + workdir,
                        *_pairs({**_passed_on(), "HOME": "/root", **arguments, **env}),
                    ]
                    cache = {"CACHE": str(self._cache)}
                    status, told = _inside(root, _BUILD, [*line, "/bin/sh", "-c", value], cache)
                    assert status == 0, f"{file.path}: RUN {value}\n{told}"
                case other:
                    assert other in _OF_RUNNING, f"{file.path}: {other} is not known here"
        return Image(
            root,
            env,
            workdir,
            user=stage.value("USER", "0:0"),
            entrypoint=stage.words("ENTRYPOINT"),
            command=stage.words("CMD"),
            health=stage.words("HEALTHCHECK"),
        )

    def _copy(self, file: Dockerfile, copy: Instruction, root: Path, workdir: str) -> None:
        *sources, into = copy.value.split()
        target = root / (Path(workdir) / into).as_posix().lstrip("/")
        origin = copy.flag("from")
        if origin is not None:
            built = self._stage(file, file.stage(origin), root.with_name(f"{root.name}-{origin}"))
            [source] = sources
            # Links instead of copies: gigabytes, and nobody writes there
            shutil.copytree(
                built.root / source.lstrip("/"),
                target,
                symlinks=True,
                copy_function=os.link,
                dirs_exist_ok=True,
            )
            return
        for source in sources:
            files = list(context(ROOT / source))
            assert files, f"{file.path}: COPY {source}: there is nothing, or .dockerignore leaves it out"
            for found in files:
                inside = found.relative_to(ROOT / source) if (ROOT / source).is_dir() else Path(found.name)
                flat = not (ROOT / source).is_dir() and not into.endswith("/")
                path = target if flat else target / inside
                path.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(found, path)


def context(source: Path) -> Iterator[Path]:
    """Give the files at or below a path that .dockerignore lets pass."""
    patterns = [
        line for line in (ROOT / ".dockerignore").read_text("utf-8").splitlines() if line and line[0] != "#"
    ]
    for file in [source] if source.is_file() else sorted(source.rglob("*")):
        if file.is_file() and not _ignored(file.relative_to(ROOT), patterns):
            yield file


def _ignored(path: Path, patterns: list[str]) -> bool:
    """Tell whether a path is left out: the last pattern that fits it or a folder above it decides."""
    ignored = False
    for pattern in patterns:
        bare = pattern.removeprefix("!")
        for part in (path, *path.parents[:-1]):
            name = part.as_posix()
            if fnmatch.fnmatchcase(name, bare) or (
                bare.startswith("**/") and fnmatch.fnmatchcase(name, bare[3:])
            ):
                ignored = not pattern.startswith("!")
    return ignored


def _make_root(root: Path) -> None:
    for name in (
        "proc",
        "tmp",
        "root/.cache/pip",
        *(name for name in _SYSTEM if not Path(f"/{name}").is_symlink()),
    ):
        if name in ("proc", "tmp") or "/" in name or Path(f"/{name}").is_dir():
            (root / name).mkdir(parents=True, exist_ok=True)
    for name in _SYSTEM:
        if Path(f"/{name}").is_symlink():
            (root / name).symlink_to(Path(f"/{name}").readlink())
    (root / sys.base_prefix.lstrip("/")).mkdir(parents=True, exist_ok=True)


def _inside(
    root: Path, script: str, argv: list[str], settings: Mapping[str, str], *namespaces: str
) -> tuple[int, str]:
    done = subprocess.run(
        [
            "unshare",
            "--mount",
            "--pid",
            "--fork",
            "--kill-child",
            *namespaces,
            "sh",
            "-c",
            _MOUNTS + script,
            "sh",
            str(root),
            *argv,
        ],
        env={"PATH": _BASE_PATH, "SYSTEM": " ".join(_SYSTEM), "PREFIX": sys.base_prefix, **settings},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    return done.returncode, done.stdout.decode("utf-8", "replace")


def _reachable(host: str) -> bool:
    try:
        socket.getaddrinfo(host, 443)
    except OSError:
        return False
    return True


def _pairs(env: Mapping[str, str]) -> list[str]:
    return [f"{name}={value}" for name, value in env.items()]


def _passed_on() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name.upper().startswith(_PASSED_ON)}
