"""tlswhy's library: bytes in, findings out. No sockets, no files, no clock."""
