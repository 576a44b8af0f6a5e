"""What stands in a store, byte by byte, and how payloads become that. Pure: no file is opened here, but for the key."""
