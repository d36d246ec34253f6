"""The same work as others would do it, written well, to be measured beside ours."""
