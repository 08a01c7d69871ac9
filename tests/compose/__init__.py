"""The image and docker-compose.yml: read, and run as processes in place of containers."""
