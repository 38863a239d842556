"""Many hosts, on engines that exist."""
