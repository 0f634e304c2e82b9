"""The fields of KEDA's ScaledObject, with nothing else allowed.

They are those of the CustomResourceDefinition of KEDA 2.16, as the package cloudcoil-models-keda 2.16.1 has it; our objects were
checked against that package, too, which is no dependency, because its pytest plugin loads with every run. A trigger's metadata
is text to the definition; what the Prometheus scaler reads of it is from KEDA's documentation.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class ScaleTargetRef(_Strict):
    name: str
    apiVersion: str | None = None  # noqa: N815 - KEDA's names, here and below
    kind: str | None = None
    envSourceContainerName: str | None = None  # noqa: N815


class Fallback(_Strict):
    failureThreshold: int  # noqa: N815
    replicas: int


class HorizontalPodAutoscalerConfig(_Strict):
    name: str | None = None
    behavior: dict[str, Any] | None = None  # autoscaling/v2's own, which the caller checks


class Advanced(_Strict):
    horizontalPodAutoscalerConfig: HorizontalPodAutoscalerConfig | None = None  # noqa: N815
    restoreToOriginalReplicaCount: bool | None = None  # noqa: N815
    scalingModifiers: dict[str, str] | None = None  # noqa: N815


class PrometheusMetadata(_Strict):
    serverAddress: str  # noqa: N815
    query: str
    threshold: str
    activationThreshold: str | None = None  # noqa: N815
    ignoreNullValues: Literal["true", "false"] = "true"  # noqa: N815


class Trigger(_Strict):
    type: Literal["prometheus"]
    metadata: PrometheusMetadata
    name: str | None = None
    metricType: Literal["AverageValue", "Value"] | None = None  # noqa: N815
    useCachedMetrics: bool | None = None  # noqa: N815


class Spec(_Strict):
    scaleTargetRef: ScaleTargetRef  # noqa: N815
    triggers: list[Trigger]
    pollingInterval: int | None = None  # noqa: N815
    cooldownPeriod: int | None = None  # noqa: N815
    initialCooldownPeriod: int | None = None  # noqa: N815
    idleReplicaCount: int | None = None  # noqa: N815
    minReplicaCount: int | None = None  # noqa: N815
    maxReplicaCount: int | None = None  # noqa: N815
    fallback: Fallback | None = None
    advanced: Advanced | None = None


class ScaledObject(_Strict):
    apiVersion: Literal["keda.sh/v1alpha1"]  # noqa: N815
    kind: Literal["ScaledObject"]
    metadata: dict[str, Any]
    spec: Spec
