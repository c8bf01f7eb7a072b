"""What every backend must do, as checks that run against a real one: ``tracegen sandbox check``."""
