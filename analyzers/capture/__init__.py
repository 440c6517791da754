"""Capture files to TCP streams: knows nothing of TLS, opens no file.

The reader of a file format pushes each frame into a `Dissector`, which pushes each TCP
segment into `Streams`, which tells one sink a connection. Pushing, not pulling: a
frame costs a few calls and no object of its own.
"""

from __future__ import annotations
