"""A cluster's objects, what its controllers do to them, and what a test can let happen; kubernetes_server.py serves it.

Its "Job controller" makes pods, applies deadlines, failure policies and times to live; its "kubelet" ends pods that are
deleted. Everything else that happens to a pod, the test says. Its clock goes on by a second with each request, so nothing
waits.
"""

from __future__ import annotations

import base64
import json
import threading
from copy import deepcopy
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

NAMESPACE = "training"


class Cluster:
    """One namespace. Runs are named by their Job. Whoever reads or changes `objects` holds `lock`."""

    def __init__(self) -> None:
        self.objects: dict[str, dict[str, dict[str, Any]]] = {
            "jobs": {},
            "pods": {},
            "secrets": {},
            "events": {},
        }
        # What hinders the Job controller from making pods, in its event's words
        self.no_pods = ""
        # Containers that do not end at SIGTERM
        self.stubborn = False
        self.lock = threading.RLock()
        self._now = datetime.now(UTC).replace(microsecond=0)
        self._logs: dict[str, list[str]] = {}

    # --- what a test lets happen

    def pass_time(self, seconds: float) -> None:
        """Let time pass for controllers and kubelets, as their objects show: everything becomes so much older."""
        with self.lock:
            shifted = json.loads(json.dumps(self.objects), object_hook=lambda thing: _older(thing, seconds))
            self.objects = shifted

    def pod(self, run: str) -> dict[str, Any]:
        """Give the pod of a run."""
        [pod] = [pod for pod in self.objects["pods"].values() if pod["metadata"]["labels"]["job-name"] == run]
        return pod

    def unschedulable(self, run: str, message: str) -> None:
        with self.lock:
            self._condition(self.pod(run), "PodScheduled", "False", "Unschedulable", message)

    def schedule(self, run: str) -> dict[str, Any]:
        """Find a node, where the kubelet begins."""
        with self.lock:
            pod = self.pod(run)
            self._condition(pod, "PodScheduled", "True")
            pod["spec"]["nodeName"] = "node-1"
            pod["status"]["startTime"] = self.time()
            self._state(pod, waiting={"reason": "ContainerCreating"})
            return pod

    def wait(self, run: str, reason: str, message: str) -> None:
        """Have its container wait."""
        with self.lock:
            self._state(self.schedule(run), waiting={"reason": reason, "message": message})

    def mounted(self, run: str) -> dict[str, str]:
        """Give the files that its container would find of Secrets, by path; without them no kubelet starts it."""
        [container] = self.pod(run)["spec"]["containers"]
        mounts = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
        return {
            f"{mounts[volume['name']]}/{name}": base64.b64decode(data).decode()
            for volume in self.pod(run)["spec"]["volumes"]
            if "secret" in volume
            for name, data in self.objects["secrets"][volume["secret"]["secretName"]]["data"].items()
        }

    def start(self, run: str) -> dict[str, str]:
        """Start its container, and give the variables it would have, those of its spec too."""
        with self.lock:
            files = self.mounted(run)
            pod = self.schedule(run)
            [container] = pod["spec"]["containers"]
            env = {item["name"]: item["value"] for item in container["env"]}
            pod["status"]["phase"] = "Running"
            self._state(pod, running={"startedAt": self.time()})
            return {**json.loads(files[env["JOB_SPEC_URI"].removeprefix("file://")]), **env}

    def write(self, run: str, *lines: str) -> None:
        """Have its container write lines."""
        with self.lock:
            self._logs.setdefault(self.pod(run)["metadata"]["name"], []).extend(lines)

    def exit(self, run: str, code: int, reason: str = "", message: str = "") -> None:
        """End its container, which has started before unless it never could."""
        with self.lock:
            self._end(self.pod(run), code, reason, message)

    def fail_pod(self, run: str, reason: str, message: str, code: int | None = None) -> None:
        """Have the kubelet end the pod: evict it, refuse it, shut down."""
        with self.lock:
            pod = self.pod(run)
            if code is not None:
                self._end(pod, code)
            pod["status"] |= {"phase": "Failed", "reason": reason, "message": message}
            self.control()

    def disrupt(self, run: str, reason: str, message: str) -> None:
        """Have the cluster take the pod away: preempt it, drain its node."""
        with self.lock:
            pod = self.pod(run)
            self._condition(pod, "DisruptionTarget", "True", reason, message)
            self._delete_pod(pod)

    def delete_pod(self, run: str) -> None:
        """Delete the pod as `kubectl delete pod` does."""
        with self.lock:
            self._delete_pod(self.pod(run))

    def forget_pod(self, run: str) -> None:
        """Remove the pod as the cluster's garbage collector does with nodes that are gone, and with too many ended pods."""
        with self.lock:
            pod = self.objects["pods"].pop(self.pod(run)["metadata"]["name"])
            if pod["status"]["phase"] not in ("Succeeded", "Failed"):
                pod["status"]["phase"] = "Failed"
                self._judge(self.objects["jobs"][run], pod)

    def lose_node(self, run: str) -> None:
        """Cut its node off: the pod is deleted, and nobody confirms it."""
        with self.lock:
            pod = self.pod(run)
            self._condition(
                pod, "DisruptionTarget", "True", "DeletionByTaintManager", "Taint manager: deleting pod"
            )
            pod["status"]["unreachable"] = True
            self._delete_pod(pod)

    def delete_job(self, run: str) -> None:
        """Delete a Job as `kubectl delete job` does."""
        with self.lock:
            del self.objects["jobs"][run]
            self._collect()

    def log(self, pod: str, lines: int) -> list[str]:
        """Give the last lines of a pod's container."""
        return self._logs.get(pod, [])[-lines:]

    # --- controllers and kubelets

    def tick(self) -> None:
        """Let a second pass."""
        self._now += timedelta(seconds=1)
        for pod in list(self.objects["pods"].values()):
            if "deletionTimestamp" in pod["metadata"]:
                self._terminate(pod)
        self.control()

    def control(self) -> None:
        """Let controllers do what is due."""
        for job in list(self.objects["jobs"].values()):
            self._sync(job)
        self._collect()

    def _sync(self, job: dict[str, Any]) -> None:
        status, spec = job["status"], job["spec"]
        finished = next(
            (c for c in status.get("conditions", []) if c["type"] in ("Failed", "Complete")), None
        )
        if finished:
            if self._since(finished["lastTransitionTime"]) > spec["ttlSecondsAfterFinished"]:
                del self.objects["jobs"][job["metadata"]["name"]]
            return
        status.setdefault("startTime", self.time())
        pods = [pod for pod in self.objects["pods"].values() if _owner(pod) == job["metadata"]["uid"]]
        deadline = spec.get("activeDeadlineSeconds")
        target = next((c for c in status.get("conditions", []) if c["type"] == "FailureTarget"), None)
        if not target and deadline is not None and self._since(status["startTime"]) >= deadline:
            self._condition(
                job,
                "FailureTarget",
                "True",
                "DeadlineExceeded",
                "Job was active longer than specified deadline",
            )
            target = status["conditions"][-1]
            for pod in pods:
                self._delete_pod(pod)
        if target:
            if all(pod["status"]["phase"] in ("Failed", "Succeeded") for pod in pods):
                self._condition(job, "Failed", "True", target["reason"], target["message"])
        elif not pods and self.no_pods:
            self._warn(job)
        elif not pods:
            self._make_pod(job)
        for pod in pods:
            self._judge(job, pod)

    def _judge(self, job: dict[str, Any], pod: dict[str, Any]) -> None:
        """Look at an ended pod as the Job's failure policy says; the Job ends with its first pod."""
        if any(
            c["type"] in ("Complete", "Failed", "FailureTarget") for c in job["status"].get("conditions", [])
        ):
            return
        name = f"{NAMESPACE}/{pod['metadata']['name']}"
        if pod["status"]["phase"] == "Succeeded":
            self._condition(
                job, "Complete", "True", "CompletionsReached", "Reached expected number of succeeded pods"
            )
        if pod["status"]["phase"] != "Failed":
            return
        ended = [
            c["state"]["terminated"]
            for c in pod["status"].get("containerStatuses", [])
            if "terminated" in c["state"]
        ]
        if any(c["type"] == "DisruptionTarget" for c in pod["status"].get("conditions", [])):
            words = f"Pod {name} has condition DisruptionTarget matching FailJob rule at index 0"
            self._condition(job, "Failed", "True", "PodFailurePolicy", words)
        elif any(state["exitCode"] != 0 for state in ended):
            code = ended[0]["exitCode"]
            words = f"Container trainer for pod {name} failed with exit code {code} matching FailJob rule at index 1"
            self._condition(job, "Failed", "True", "PodFailurePolicy", words)
        else:
            words = "Job has reached the specified backoff limit"
            self._condition(job, "Failed", "True", "BackoffLimitExceeded", words)

    def _make_pod(self, job: dict[str, Any]) -> None:
        meta, template = job["metadata"], deepcopy(job["spec"]["template"])
        name = f"{meta['name']}-{uuid4().hex[:5]}"
        self.objects["pods"][name] = {
            "metadata": {
                "name": name,
                "creationTimestamp": self.time(),
                "finalizers": ["batch.kubernetes.io/job-tracking"],
                "labels": {**template["metadata"]["labels"], "job-name": meta["name"]},
                "ownerReferences": [
                    {
                        "apiVersion": "batch/v1",
                        "kind": "Job",
                        "name": meta["name"],
                        "uid": meta["uid"],
                        "controller": True,
                    }
                ],
            },
            "spec": template["spec"],
            "status": {"phase": "Pending", "qosClass": "Guaranteed", "conditions": []},
        }

    def _warn(self, job: dict[str, Any]) -> None:
        name = job["metadata"]["name"]
        self.objects["events"][f"{name}.17"] = {
            "metadata": {"name": f"{name}.17"},
            "involvedObject": {"kind": "Job", "name": name},
            "type": "Warning",
            "reason": "FailedCreate",
            "message": f'Error creating: pods "{name}-" is forbidden: {self.no_pods}',
            "lastTimestamp": self.time(),
        }

    def _delete_pod(self, pod: dict[str, Any]) -> None:
        grace = timedelta(seconds=pod["spec"]["terminationGracePeriodSeconds"])
        pod["metadata"].setdefault("deletionTimestamp", _written(self._now + grace))

    def _terminate(self, pod: dict[str, Any]) -> None:
        """Do one step towards the end of a deleted pod."""
        [container] = pod["status"].get("containerStatuses") or [{"state": {}}]
        if pod["status"].get("unreachable"):
            return
        if "running" in container["state"]:
            over = self._since(pod["metadata"]["deletionTimestamp"]) >= 0
            if over or not self.stubborn:
                self._end(pod, 137 if over else 143)
        elif "finalizers" in pod["metadata"]:
            del pod["metadata"]["finalizers"]  # the Job controller has counted it
        else:
            del self.objects["pods"][pod["metadata"]["name"]]

    def _end(self, pod: dict[str, Any], code: int, reason: str = "", message: str = "") -> None:
        began = pod["status"].get("containerStatuses", [{"state": {}}])[0]["state"].get("running", {})
        terminated = {
            "exitCode": code,
            "reason": reason or ("Error" if code else "Completed"),
            "startedAt": began.get("startedAt"),
            "finishedAt": self.time(),
            **({"message": message} if message else {}),
        }
        pod["status"]["phase"] = "Failed" if code else "Succeeded"
        self._state(pod, terminated=terminated)
        self._judge(self.objects["jobs"][pod["metadata"]["labels"]["job-name"]], pod)

    def _collect(self) -> None:
        """Remove what belongs to a Job that is gone."""
        alive = {job["metadata"]["uid"] for job in self.objects["jobs"].values()}
        for kind in ("pods", "secrets"):
            gone = [name for name, thing in self.objects[kind].items() if _owner(thing) not in (None, *alive)]
            for name in gone:
                del self.objects[kind][name]

    # --- parts

    def _state(self, pod: dict[str, Any], **state: Any) -> None:
        pod["status"]["containerStatuses"] = [{"name": "trainer", "restartCount": 0, "state": state}]

    def _condition(
        self, thing: dict[str, Any], kind: str, status: str, reason: str = "", message: str = ""
    ) -> None:
        conditions = [c for c in thing["status"].get("conditions", []) if c["type"] != kind]
        words = {"reason": reason, "message": message} if reason else {}
        conditions.append({"type": kind, "status": status, "lastTransitionTime": self.time(), **words})
        thing["status"]["conditions"] = conditions

    def time(self) -> str:
        """Give the present time as objects carry it."""
        return _written(self._now)

    def _since(self, text: str) -> float:
        return (self._now - datetime.fromisoformat(text)).total_seconds()


def _written(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _older(thing: dict[str, Any], seconds: float) -> dict[str, Any]:
    for name, value in thing.items():
        if isinstance(value, str) and name.endswith(("Time", "Timestamp", "At")):
            thing[name] = _written(datetime.fromisoformat(value) - timedelta(seconds=seconds))
    return thing


def _owner(thing: dict[str, Any]) -> str | None:
    owners = thing["metadata"].get("ownerReferences", [])
    return owners[0]["uid"] if owners else None
