"""The same service in other libraries, written well, to be measured beside Tocsin."""
