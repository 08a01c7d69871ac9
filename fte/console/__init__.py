"""The operators' console: an HTTP client with a face. It needs a URL and a token, nothing else."""
