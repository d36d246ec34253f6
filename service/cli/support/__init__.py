"""Code that commands share: options, output, times, record views, the operator session."""
