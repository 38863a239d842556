"""Before and after, side by side, in one HTML file."""
