"""An honest stranger that speaks the API on loopback and really edits video.

It shares no code with the client and imports nothing else of this package, so that the two can be tested against each
other. Needs the extra ``sandbox`` for editing.
"""

from __future__ import annotations

from omniedit.sandbox.app import SandboxServer
from omniedit.sandbox.script import Faults, FaultScriptError
from omniedit.sandbox.serving import serve
from omniedit.sandbox.settings import Limit, Settings

__all__ = ["FaultScriptError", "Faults", "Limit", "SandboxServer", "Settings", "serve"]
