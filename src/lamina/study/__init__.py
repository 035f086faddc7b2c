"""The matched experiment: plan, run, conclude."""
