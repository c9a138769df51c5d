"""The thin HTTP and WebSocket layer over the engine."""
