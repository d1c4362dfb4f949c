"""Every test uses this checkout's own database and never the user's."""

from __future__ import annotations

import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

os.environ.setdefault("FIFTYONE_DATABASE_DIR", str(ROOT / ".cache" / "fiftyone" / "db"))
os.environ["FIFTYONE_DO_NOT_TRACK"] = "true"
os.environ["FIFTYONE_SHOW_PROGRESS_BARS"] = "false"
os.environ["FIFTYONE_PLUGINS_DIR"] = str(ROOT / ".cache" / "no-plugins")
for name in ("LABEL_STUDIO_URL", "LABEL_STUDIO_API_KEY"):
    os.environ.pop(name, None)
sys.path.insert(0, str(ROOT / "scripts"))
