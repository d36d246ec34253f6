"""HTTP/1.1 on a connection (RFC 9112), with a limit on everything that a client sends before a request is served."""
