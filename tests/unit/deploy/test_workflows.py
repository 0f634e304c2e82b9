"""GitHub's workflows: their schema, least permissions, and that no commit registers a task definition."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from subprocess import run

import pytest
import yaml

ROOT = Path(__file__).parents[3]
WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yaml"))
# Whose tags are trusted; test.yaml says why
OWNERS = {"actions", "docker", "aws-actions"}


def workflow(name):
    return yaml.safe_load((ROOT / f".github/workflows/{name}.yaml").read_text())


def each():
    return pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)


def steps(path):
    for job in yaml.safe_load(path.read_text())["jobs"].values():
        yield from job.get("steps", [])


def test_files_have_the_shape_that_github_expects():
    """By the schemas of schemastore.org that check-jsonschema carries."""
    pytest.importorskip("check_jsonschema")
    checks = {"vendor.github-workflows": WORKFLOWS, "vendor.dependabot": [ROOT / ".github/dependabot.yml"]}
    for schema, paths in checks.items():
        command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", schema, *map(str, paths)]
        done = run(command, capture_output=True, check=False, text=True)
        assert done.returncode == 0, done.stdout + done.stderr


@each()
def test_actions_are_pinned_and_of_owners_we_trust(path):
    for step in steps(path):
        if "uses" in step:
            owner, _, version = re.fullmatch(
                r"([\w-]+)/([\w-]+)@(v[0-9]+|[0-9a-f]{40})", step["uses"]
            ).groups()
            assert owner in OWNERS
            assert version


@each()
def test_permissions_are_the_least(path):
    found = yaml.safe_load(path.read_text())
    assert found["permissions"] == {"contents": "read"}
    more = {
        (path.stem, name, scope)
        for name, job in found["jobs"].items()
        for scope, level in job.get("permissions", {}).items()
        if level == "write"
    }
    assert more <= {
        ("images", "push", "id-token"),
        ("main", "images", "id-token"),
        ("release", "images", "id-token"),
        ("release", "release", "contents"),
    }


@each()
def test_a_job_ends_and_the_checkout_keeps_no_token(path):
    for name, job in yaml.safe_load(path.read_text())["jobs"].items():
        assert "uses" in job or job["timeout-minutes"] <= 60, name
    for step in steps(path):
        if step.get("uses", "").startswith("actions/checkout"):
            assert step["with"]["persist-credentials"] is False


@each()
def test_text_of_others_reaches_no_script(path):
    """What a script needs comes by its environment: in `run` an expression would be pasted in as code."""
    for step in steps(path):
        assert "${{" not in step.get("run", "")


def test_every_supported_python_is_tested():
    declared = re.search(r'requires-python = ">=3\.([0-9]+)"', (ROOT / "pyproject.toml").read_text())
    tested = workflow("test")["jobs"]["test"]["strategy"]["matrix"]["python"]
    assert tested == ["3.11", "3.12", "3.13"]
    assert tested[0] == f"3.{declared[1]}"


def test_the_demo_runs_on_the_servers_that_development_clusters_have():
    services = workflow("test")["jobs"]["demo"]["services"]
    images = {
        yaml.safe_load(next(iter(path.read_text().split("---"))))["spec"]["template"]["spec"]["containers"][
            0
        ]["image"]
        for path in (ROOT / "k8s/overlays/dev/stores").glob("[pr]*s.yaml")
    }
    assert {service["image"] for service in services.values()} == images


def test_images_are_those_that_are_kept_and_run():
    pushed = workflow("images")["jobs"]["push"]["strategy"]["matrix"]["include"]
    assert pushed == workflow("test")["jobs"]["build"]["strategy"]["matrix"]["include"]
    rooms = {item["room"] for item in pushed}
    kept = set(
        re.findall(r"RepositoryName: triptych/([a-z]+)", (ROOT / "deploy/aws/delivery.yaml").read_text())
    )
    run_by = {
        room
        for path in (ROOT / "k8s").rglob("*.yaml")
        for room in re.findall(r"(?:image: |name: |KUBERNETES_IMAGE=)triptych/([a-z]+)", path.read_text())
    }
    assert rooms == kept == run_by


def test_images_tell_what_they_are_made_of():
    [build] = [
        step for step in steps(ROOT / ".github/workflows/images.yaml") if "build-push" in step.get("uses", "")
    ]
    assert build["with"]["sbom"] is True
    assert build["with"]["provenance"] == "mode=max"
    assert build["with"]["cache-from"].startswith("type=gha")


def test_latest_moves_on_main_alone_after_the_tests_and_never_back():
    main, release = workflow("main"), workflow("release")
    assert main["jobs"]["images"]["with"] == {"tag": "${{ github.sha }}", "latest": True}
    assert release["jobs"]["images"]["with"] == {"tag": "${{ github.ref_name }}", "latest": False}
    assert main["jobs"]["images"]["needs"] == release["jobs"]["images"]["needs"] == "test"
    assert main["concurrency"] == {"group": "main", "cancel-in-progress": False}


def test_no_commit_makes_a_revision_of_the_task_definition():
    text = "".join(path.read_text() for path in WORKFLOWS)
    assert "register-task-definition" not in text
    assert not re.search(r"\baws ecs\b|ecs-deploy|cloudformation", text)
