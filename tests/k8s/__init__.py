"""The manifests of Kubernetes: read, compared with the program, and run as processes in place of pods."""
