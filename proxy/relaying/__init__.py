"""A request on its way: taken, given to channels, its answer carried back."""
