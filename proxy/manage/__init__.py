"""What administrators do, checked and then kept; called by commands, the admin API and importers alike."""
