"""How the measures are compiled, and where what was compiled is kept.

Numba keeps machine code beside a function until that function's own file changes, but not when a file changes whose
functions it calls: an edit could go unnoticed for ever. So it is kept under a hash of all files of this room.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numba

_ROOM = Path(__file__).parent
_DIGEST = hashlib.sha256(b"".join(path.read_bytes() for path in sorted(_ROOM.glob("*.py")))).hexdigest()[:16]

_settings: Any = numba.config
_settings.CACHE_DIR = str(Path(_settings.CACHE_DIR or _ROOM / "__pycache__") / f"numba-{_DIGEST}")

# without Python's lock, so that work can be shared out to threads
compiled_exactly = numba.njit(cache=True, nogil=True, error_model="numpy")
# With fused multiply-add, the one liberty taken: sums keep their order, so that results do not depend on threads.
compiled = numba.njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract"})
