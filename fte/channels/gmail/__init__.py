"""E-mail through Gmail."""
