"""Folders that tests read: the checkout, and the public corpora if they are installed."""

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CORPORA = Path(os.environ.get("TOCSIN_CORPORA") or ROOT.parent / "shared" / "corpora")
