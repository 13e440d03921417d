"""What an answer used: the provider's word where there is a sensible one, else counted here."""
