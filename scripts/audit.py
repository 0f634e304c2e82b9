"""Looks every pinned package up among known vulnerabilities (pip-audit), at PyPI or else at OSV.

`python scripts/audit.py` fails where one is found that is not in IGNORED, and where pip-audit itself breaks. Where neither service
answers it says that nothing was audited and does not fail, so that the checks run without a network; --strict makes that a failure, too.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pins

# Vulnerability id: why it does not touch this platform. Look at them again when a version changes
IGNORED: dict[str, str] = {}
_PROBE_SECONDS = 5
_PROBES = {
    # A mirror of the index has the files, and answers 404 where what is known of a version is asked for
    "pypi": "https://pypi.org/pypi/requests/2.30.0/json",
    "osv": "https://api.osv.dev/v1/vulns/PYSEC-2023-74",
}


@dataclass(frozen=True)
class Verdict:
    """What pip-audit came to.

    Attributes:
        vulnerable: A line for each vulnerability that is not ignored.
        ignored: A line for each that is.
        unknown: Packages that the service does not know.
        looked_up: How many it does.
    """

    vulnerable: list[str] = field(default_factory=list)
    ignored: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    looked_up: int = 0


def verdict(report: dict[str, Any], ignored: dict[str, str]) -> Verdict:
    """Read pip-audit's JSON."""
    found = Verdict(looked_up=sum("skip_reason" not in each for each in report["dependencies"]))
    for package in report["dependencies"]:
        if "skip_reason" in package:
            found.unknown.append(package["name"])
            continue
        for known in package["vulns"]:
            names = [known["id"], *known.get("aliases", [])]
            line = f"{package['name']} {package['version']}: {', '.join(names)}; mended in {', '.join(known['fix_versions']) or 'no version'}"
            reason = next((ignored[name] for name in names if name in ignored), None)
            if reason is None:
                found.vulnerable.append(line)
            else:
                found.ignored.append(f"{line}; ignored: {reason}")
    return found


def main() -> int:
    """Print what was found; 1 where something has to be done."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--strict", action="store_true", help="fail where no service answers")
    strict = parser.parse_args().strict
    packages = pins.every()
    service = next((name for name, url in _PROBES.items() if _answers(url)), None)
    if service is None:
        sys.stderr.write(
            f"audit: NOT AUDITED: neither PyPI's nor OSV's list of vulnerabilities can be reached; {len(packages)} packages were not looked up\n"
        )
        return int(strict)
    found = verdict(_audit(packages, service), IGNORED)
    for line in found.ignored:
        sys.stdout.write(f"audit: {line}\n")
    if found.unknown:
        sys.stdout.write(f"audit: not known to {service}, and not looked up: {', '.join(found.unknown)}\n")
    for line in found.vulnerable:
        sys.stderr.write(f"audit: VULNERABLE: {line}\n")
    sys.stdout.write(
        f"audit: {found.looked_up} of {len(packages)} packages looked up at {service}, {len(found.vulnerable)} vulnerabilities\n"
    )
    return int(bool(found.vulnerable) or (strict and not found.looked_up))


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=_PROBE_SECONDS) as answer:  # noqa: S310 - one of the two above
            return isinstance(json.load(answer), dict)
    except (OSError, ValueError):
        return False


def _audit(packages: list[tuple[str, str]], service: str) -> dict[str, Any]:
    """Run pip-audit, once for each set of packages without two versions of one: pip-audit takes no more."""
    dependencies: list[Any] = []
    for group in _apart(packages):
        with tempfile.TemporaryDirectory() as folder:
            listed = Path(folder) / "requirements.txt"
            listed.write_text("".join(f"{name}=={_public(version)}\n" for name, version in group))
            command = [
                sys.executable,
                "-m",
                "pip_audit",
                "--no-deps",
                "--disable-pip",
                "--requirement",
                str(listed),
            ]
            command += ["--vulnerability-service", service, "--format", "json", "--progress-spinner", "off"]
            done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - as above
        try:
            dependencies += json.loads(done.stdout)["dependencies"]
        except (ValueError, KeyError):
            raise SystemExit(f"audit: pip-audit failed: {done.stderr.strip()[-2000:]}") from None
    return {"dependencies": dependencies}


def _apart(packages: list[tuple[str, str]]) -> list[list[tuple[str, str]]]:
    groups: list[dict[str, str]] = []
    for name, version in packages:
        free = next((group for group in groups if name not in group), None)
        if free is None:
            groups.append(free := {})
        free[name] = version
    return [list(group.items()) for group in groups]


def _public(version: str) -> str:
    """Leave a build's own mark away (2.13.0+cpu): no list of vulnerabilities has it."""
    return re.sub(r"\+.*", "", version)


if __name__ == "__main__":
    sys.exit(main())
