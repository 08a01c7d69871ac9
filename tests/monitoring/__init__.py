"""What Prometheus and Grafana are given, tried with Prometheus itself."""
