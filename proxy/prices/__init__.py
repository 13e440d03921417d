"""What models cost: the shipped table, what an operator says otherwise, and what happens without a price."""
