"""Which channels may serve a request, and how they fare."""
