"""What the verbs share: options, output, times, record views, the operator session."""
