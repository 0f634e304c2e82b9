"""What people really upload: names of 300 characters, right-to-left text, tables without rows, jobs that were lost."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from browser.fake_api import FakePlatform

LONG = "Verkehrsaufkommen_" * 16 + "abcdefghijkl"  # 300 characters and no place to break
ARABIC = "الفئة العربية الطويلة جدا"
HEBREW = "תיאור ארוך מאוד של הקטגוריה"


def furnish(platform: FakePlatform) -> dict[str, str]:
    """Add them; gives ids by a short name."""
    rows = [
        f"img/{i:03}.png,{LONG},{['نعم', 'لا'][i % 2]} مرحبا بالعالم,{i},{[ARABIC, HEBREW, LONG][i % 3]}"
        for i in range(60)
    ]
    header = f"صورة,{LONG},عمود النص הטקסט,{'עמודה ' * 10}מספר,الهدف"
    data = platform.add_dataset(LONG, "\n".join([header, *rows]) + "\n", files=60)
    empty = platform.add_dataset("empty.csv", "a,b,c\n")
    done = platform.add_job(data, {"model": "multimodal", "name": LONG, "target": "الهدف"})
    platform.start(done)
    platform.succeed(done, epochs=8, labels=[ARABIC, HEBREW, LONG])
    failed = platform.add_job(data, {"model": "multimodal", "name": ARABIC, "target": LONG})
    platform.start(failed)
    platform.set_state(failed, "failed", f"exit 1: {LONG} {ARABIC}")
    return {"data": data, "empty": empty, "done": done, "failed": failed}
