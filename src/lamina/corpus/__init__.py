"""Speech with time-aligned tiers, on lhotse manifests."""
