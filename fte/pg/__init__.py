"""What knows PostgreSQL as such."""
