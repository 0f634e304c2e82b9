"""What a scrape gives, by name and labels."""

from __future__ import annotations

from prometheus_client.parser import text_string_to_metric_families


def samples(text: bytes | str) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """Read the text format: values by the sample's name and its sorted labels."""
    text = text if isinstance(text, str) else text.decode()
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def value(text: bytes | str, name: str, **labels: str) -> float | None:
    """Give one sample's value, None where there is none."""
    return samples(text).get((name, tuple(sorted(labels.items()))))


def names(text: bytes | str) -> set[str]:
    """Give the names of Triptych's metrics; of a counter with its _total, of a histogram without its suffixes."""
    text = text if isinstance(text, str) else text.decode()
    return {
        family.name + ("_total" if family.type == "counter" else "")
        for family in text_string_to_metric_families(text)
        if family.name.startswith("triptych_") and not family.name.endswith("_created")
    }
