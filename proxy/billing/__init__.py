"""What a request owes, what may be spent, and what is shown of it."""
